import { exec } from 'node:child_process';
import { promisify } from 'node:util';
import { errorText } from '../../rollout/error-text.ts';
import { ProviderError } from '../provider-error.ts';
import type { FrontendPublisher } from '../providers.ts';

const run = promisify(exec);
const TIMEOUT_MS = 5 * 60_000;

/** Publishes with the team's own command, in a shell, with `{folder}` filled in. */
export function createPublishCommand(): FrontendPublisher {
  return {
    async publish(command, folder) {
      try {
        await run(command.replaceAll('{folder}', JSON.stringify(folder)), { timeout: TIMEOUT_MS });
      } catch (error) {
        throw new ProviderError('Front end', 'publish command', {
          status: null,
          code: 'failed',
          message: errorText(error),
          hint: 'run the command of frontend.publishCommand by hand, mend what it says, then run this again',
        });
      }
    },
  };
}
