import { refusal, StudioError } from './studio-error.ts';

/** Answers of the API are small: one that takes longer is lost, ms. */
const TIMEOUT_MS = 30_000;

export type Answer = Readonly<Record<string, unknown>>;

export const isAnswer = (value: unknown): value is Answer => typeof value === 'object' && value !== null;

/** The request did not get through: for want of a network here, or for another reason. */
export function unreachable(): StudioError {
  return new StudioError(navigator.onLine ? 'UNREACHABLE' : 'OFFLINE');
}

/** The code of a refusal: the Worker's own, or Supabase Auth's; `null` when the body is somebody else's. */
export function codeIn(body: unknown): string | null {
  if (!isAnswer(body)) return null;
  const { error, error_code: auth } = body;
  if (isAnswer(error) && typeof error['code'] === 'string') return error['code'];
  return typeof auth === 'string' ? auth : null;
}

/** Asks for a JSON object. @throws StudioError */
export async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => {
    throw unreachable();
  });
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw refusal(response.status, codeIn(body), response.headers.get('retry-after'));
  // An answer that broke off, or a captive portal's page with status 200: neither came from the Worker.
  if (!isAnswer(body)) throw unreachable();
  return body;
}

/** A text that the answer must hold. @throws StudioError INTERNAL */
export function textIn(answer: Answer, field: string): string {
  const value = answer[field];
  if (typeof value !== 'string') throw new StudioError('INTERNAL');
  return value;
}
export function countIn(answer: Answer, field: string): number {
  const value = answer[field];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw new StudioError('INTERNAL');
  return value;
}
export function listIn(answer: Answer, field: string): readonly Answer[] {
  const value = answer[field];
  if (!Array.isArray(value) || !value.every(isAnswer)) throw new StudioError('INTERNAL');
  return value;
}
