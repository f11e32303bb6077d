/** What PostgREST says to a request that it refuses (https://docs.postgrest.org/en/v12/references/errors.html). */
export class RestRefusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: string | null;

  constructor(status: number, code: string, message: string, details: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/** What the real one does and this one does not: said, and never left out in silence. */
export function notHere(what: string): RestRefusal {
  return new RestRefusal(501, 'NOT_IN_LOCAL_CLOUD', `the local cloud's REST API has no ${what}`);
}
