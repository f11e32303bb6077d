/** A refusal with a stable code: what the API promises to answer when it says no. */
export class ApiError extends Error {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 411 | 413 | 416 | 429 | 503;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    status: ApiError['status'],
    code: string,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** The body of every refusal. */
export function errorBody(code: string, message: string): { error: { code: string; message: string } } {
  return { error: { code, message } };
}

/** The answer to whatever was thrown. What is not a refusal of ours is logged under a reference and tells nothing. */
export function errorAnswer(error: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  if (error instanceof ApiError) {
    const { code, message, status } = error;
    return Response.json(errorBody(code, message), { status, headers: { ...headers, ...error.headers } });
  }
  const id = crypto.randomUUID();
  console.error(id, error instanceof Error ? error.message : String(error));
  return Response.json(errorBody('INTERNAL', `something went wrong; reference ${id}`), { status: 500, headers });
}
