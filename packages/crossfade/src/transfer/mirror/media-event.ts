import * as v from 'valibot';

const mediaEvent = v.object({
  id: v.string(),
  type: v.picklist(['put', 'delete']),
  key: v.pipe(v.string(), v.minLength(1)),
  size: v.nullable(v.number()),
  etag: v.nullable(v.string()),
  at: v.pipe(
    v.string(),
    v.check((at) => !Number.isNaN(Date.parse(at)), 'expected an ISO time'),
  ),
});

/** What the Worker told of an object. It may come twice, late, in any order, or not at all. `at` is an ISO time. */
export type MediaEvent = v.InferOutput<typeof mediaEvent>;

/** The event in a message's body, or in words what is wrong with it. */
export function readMediaEvent(body: string): MediaEvent | string {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return 'the body is no JSON';
  }
  const parsed = v.safeParse(mediaEvent, json);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  return `${v.getDotPath(issue) ?? 'the body'}: ${issue.message}`;
}
