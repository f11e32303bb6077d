import * as v from 'valibot';

/** How much the audience asks for. */
export const audienceLoad = v.object({
  /** Listeners and uploaders who come, a second. */
  ratePerSecond: v.pipe(v.number(), v.minValue(0.1)),
  /** Ranges that a listener reads of a track by one link, one after the other. */
  pieces: v.pipe(v.number(), v.integer(), v.minValue(1)),
});
export type AudienceLoad = v.InferOutput<typeof audienceLoad>;
