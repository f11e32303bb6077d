import { useState, type FormEvent } from 'react';
import { signIn, type Session } from '../media-api.ts';
import { asStudioError } from '../studio-error.ts';
import type { StudioConfig } from '../studio-config.ts';

export function SignIn({
  config,
  notice,
  email,
  waiting,
  onSession,
}: {
  config: StudioConfig;
  notice: string | null;
  /** Who was signed in before. */
  email: string;
  /** Uploads that go on after the sign-in. */
  waiting: number;
  onSession: (session: Session) => void;
}) {
  const [message, setMessage] = useState(notice);
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setMessage(null);
    try {
      onSession(await signIn(config, String(form.get('email')), String(form.get('password'))));
    } catch (error) {
      setMessage(asStudioError(error).message);
      setBusy(false);
    }
  }
  return (
    <main className="sign-in">
      <h1>Audafact Studio</h1>
      <p className="lead">Your library and your uploads, one preview away.</p>
      <form onSubmit={(event) => void submit(event)}>
        <label>
          Email
          <input name="email" type="email" autoComplete="username" defaultValue={email} required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        <button type="submit" className="primary" disabled={busy}>
          {busy ? 'Signing in …' : 'Sign in'}
        </button>
        {waiting > 0 && (
          <p className="quiet">
            {waiting === 1 ? 'One upload waits' : `${waiting} uploads wait`} for you, and will go on after you sign in.
          </p>
        )}
        <p role="alert" className="message">
          {message}
        </p>
      </form>
    </main>
  );
}
