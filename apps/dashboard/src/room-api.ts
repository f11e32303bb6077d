import type { Decision, Signature } from '../../../packages/crossfade/src/control-room/operator-state.ts';

/** What this page may do; the token proves to the server that it is its own page that asks. */
export interface Session {
  readonly token: string;
  readonly decide: boolean;
  readonly sign: boolean;
}

export async function openSession(): Promise<Session> {
  const answer = await fetch('./api/session');
  if (!answer.ok) throw new Error(`the control room gave no session: ${answer.status}`);
  // Written by this page's own server.
  return (await answer.json()) as Session;
}

type Said = { path: 'decisions'; decision: Decision } | { path: 'sign-offs'; gate: string };

/** Sends what an operator said; throws with the server's words when it was not written. */
export async function send({ path, ...what }: Said, by: Signature): Promise<void> {
  // Asked anew each time: a controller that was started again has another token.
  const { token } = await openSession();
  const answer = await fetch(`./api/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-crossfade-token': token },
    body: JSON.stringify({ ...what, ...by }),
  });
  if (answer.ok) return;
  const text = await answer.text();
  let message = text;
  try {
    const { error } = JSON.parse(text) as { error: { message: string } };
    message = error.message;
  } catch {
    // Not the control room's own answer: its text is all there is to show.
  }
  throw new Error(message);
}
