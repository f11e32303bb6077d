import * as v from 'valibot';

/** How much the audience asks for. */
export const audienceLoad = v.object({
  /** Listeners and uploaders who come, a second. */
  ratePerSecond: v.pipe(v.number(), v.minValue(0.1)),
  /** Ranges that a listener reads of a track by one link, one after the other. */
  pieces: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** All choices follow from it: the same seed chooses alike. */
  seed: v.pipe(v.number(), v.integer(), v.minValue(0)),
});
export type AudienceLoad = v.InferOutput<typeof audienceLoad>;

const perSecond = v.pipe(v.number(), v.minValue(0));
/** What uploaders do beside the listeners, with files of their own, a second. Nothing when all are 0. */
export const writeRates = v.object({ uploads: perSecond, overwrites: perSecond, deletes: perSecond });
export type WriteRates = v.InferOutput<typeof writeRates>;
