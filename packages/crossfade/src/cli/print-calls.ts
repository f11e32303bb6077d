import type { PlannedCall } from '../providers/planned-call.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import { toJson } from '../rollout/json.ts';
import { createRedaction, secretsOf } from '../rollout/redaction.ts';
import { EXIT } from './exit-codes.ts';

export interface DryRun {
  readonly config: RolloutConfig;
  readonly calls: readonly PlannedCall[];
}

/** Prints the very calls that a command would make, in order, without anything secret; answers with the exit code. */
export function printCalls({ config, calls }: DryRun, json: boolean, command: string): number {
  const redaction = createRedaction(secretsOf(config));
  if (json) {
    const shown = calls.map((call) => redaction.json(toJson(call)));
    process.stdout.write(`${JSON.stringify({ calls: shown, next: [`crossfade ${command}`] }, null, 2)}\n`);
    return EXIT.done;
  }
  for (const { method, path, body } of calls) {
    const text = body === null ? '' : ` ${redaction.text(JSON.stringify(body))}`;
    process.stdout.write(`${method} ${redaction.text(path)}${text}\n`);
  }
  process.stderr.write(`\n${calls.length} calls would be made; none was made\n`);
  return EXIT.done;
}
