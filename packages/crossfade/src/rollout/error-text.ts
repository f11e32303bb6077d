/** An error in one line for a person, with what caused it; never a stack trace. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const message = error.message === '' ? error.name : error.message;
  return error.cause === undefined ? message : `${message} (${errorText(error.cause)})`;
}
