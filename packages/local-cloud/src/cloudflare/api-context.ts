import { ApiFailure } from './api-answer.ts';
import type { AccountScript, AccountStore } from './account-state.ts';
import type { VersionStarts } from './version-starts.ts';
import type { DataPoints } from './data-points.ts';
import type { Faults } from '../faults.ts';
import type { Queues } from './queues.ts';
import type { WorkersRuntime } from './runtime-contract.ts';

/** Who the account is, as its API says. */
export interface AccountIdentity {
  readonly token: string;
  readonly accountId: string;
  readonly zoneId: string;
  readonly zoneName: string;
  readonly workersSubdomain: string;
}

/** What the handlers of every chapter work on. */
export interface ApiContext {
  readonly identity: AccountIdentity;
  readonly store: AccountStore;
  readonly runtime: WorkersRuntime;
  readonly starts: VersionStarts;
  readonly queues: Queues;
  readonly dataPoints: DataPoints;
  readonly faults: Faults;
}

/** The script of that name. Throws the vendor's 10007 when there is none. */
export function scriptNamed(scripts: readonly AccountScript[], name: string | undefined): AccountScript {
  const script = scripts.find((one) => one.name === name);
  if (script === undefined) throw new ApiFailure(404, 10007, 'This Worker does not exist on your account.');
  return script;
}
