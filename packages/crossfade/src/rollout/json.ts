/** Any value that survives JSON: what verdicts measure and journals keep. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
