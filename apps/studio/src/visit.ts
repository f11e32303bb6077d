import { createMediaApi, type MediaApi, type Session } from './media-api.ts';
import type { StudioConfig } from './studio-config.ts';
import { browserMemory } from './upload-memory.ts';
import { createUploadQueue, type Outcome, type UploadQueue } from './upload-queue.ts';
import { createTransport } from './worker-transport.ts';
import { isRightlyRefused } from './messages.ts';
import { report } from './vitals.ts';

/** One person's time in the studio. It outlives a sign-in: a token that expires must not cost the uploads. */
export interface Visit {
  readonly email: string;
  readonly api: MediaApi;
  readonly queue: UploadQueue;
  /** The same person has signed in anew: what was held for it goes on. */
  renew(session: Session): void;
}

export function openVisit(
  { workerEndpoint }: StudioConfig,
  session: Session,
  onSignInNeeded: (notice: string) => void,
): Visit {
  let { token } = session;
  const tokenOf = (): string => token;
  const queue = createUploadQueue({
    transport: createTransport(workerEndpoint, tokenOf),
    memory: browserMemory(session.email),
    onEnd: reportUpload,
    onSignInNeeded: (error) => onSignInNeeded(error.message),
  });
  queue.setObstacle('offline', !navigator.onLine);
  return {
    email: session.email,
    api: createMediaApi(workerEndpoint, tokenOf),
    queue,
    renew(next) {
      ({ token } = next);
      queue.setObstacle('sign-in', false);
    },
  };
}

/** A file that is too large is no failure of the studio's. */
function reportUpload({ ms, error }: Outcome): void {
  if (error === null || !isRightlyRefused(error.code)) report('upload', ms, error === null);
}
