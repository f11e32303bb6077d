/** A refusal, with the words for the person and the code for the app. */
export class StudioError extends Error {
  readonly code: string;
  /** Whether the same may succeed a little later. */
  readonly mayPass: boolean;
  readonly retryAfterMs: number | null;
  constructor(code: string, message: string, more: { mayPass?: boolean; retryAfterMs?: number | null } = {}) {
    super(message);
    this.code = code;
    this.mayPass = more.mayPass ?? code === 'OFFLINE';
    this.retryAfterMs = more.retryAfterMs ?? null;
  }
}
