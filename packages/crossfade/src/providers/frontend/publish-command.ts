import { exec } from 'node:child_process';
import { promisify } from 'node:util';
import { errorText } from '../../rollout/error-text.ts';
import { ProviderError } from '../provider-error.ts';
import type { FrontendPublisher } from '../providers.ts';

const run = promisify(exec);
const TIMEOUT_MS = 5 * 60_000;

/** Publishes with the team's own commands, in a shell, with `{folder}` or `{build}` filled in. */
export function createPublishCommand(): FrontendPublisher {
  return {
    publish: (command, folder) => inShell('publishCommand', command.replaceAll('{folder}', JSON.stringify(folder))),
    restore: (command, build) => inShell('restoreCommand', command.replaceAll('{build}', JSON.stringify(build))),
  };
}

async function inShell(field: 'publishCommand' | 'restoreCommand', command: string): Promise<void> {
  try {
    await run(command, { timeout: TIMEOUT_MS });
  } catch (error) {
    throw new ProviderError('Front end', field, {
      status: null,
      code: 'failed',
      message: errorText(error),
      hint: `run the command of frontend.${field} by hand, mend what it says, then run this again`,
    });
  }
}
