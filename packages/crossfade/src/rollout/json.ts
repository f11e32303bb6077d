/** Any value that survives JSON: what verdicts measure and journals keep. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What JSON keeps of a value: the form in which it is recorded. */
export function toJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value ?? null)) as Json;
}
