import type { RolloutConfig } from '../rollout/config.ts';

export type Prices = RolloutConfig['usage']['prices'];

/** R2's operations by what they cost; what is in neither class is free. */
const CLASS_B = new Set(['HeadObject', 'GetObject', 'HeadBucket']);
const FREE = new Set(['DeleteObject', 'DeleteObjects', 'AbortMultipartUpload']);
const MILLION = 1e6;
const GIGABYTE = 1e9;
/** The vendor bills storage by months of 30 days. */
const HOURS_A_MONTH = 720;

export interface Use {
  /** `null` where the vendor has not measured the bucket. */
  readonly storedBytes: number | null;
  /** Of this many seconds are the requests. */
  readonly seconds: number;
  readonly operations: readonly { readonly action: string; readonly requests: number }[];
  readonly workerRequests: number;
}

/** What an hour costs at this rate, USD by the price list of the config; `null` where the storage is not known. */
export function costPerHour(prices: Prices, { storedBytes, seconds, operations, workerRequests }: Use): number | null {
  if (storedBytes === null || seconds <= 0) return null;
  const count = (counts: (action: string) => boolean): number =>
    operations.reduce((total, { action, requests }) => total + (counts(action) ? requests : 0), 0);
  const classB = count((action) => CLASS_B.has(action));
  const classA = count((action) => !CLASS_B.has(action) && !FREE.has(action));
  const requests =
    classA * prices.classAPerMillion +
    classB * prices.classBPerMillion +
    workerRequests * prices.workerRequestsPerMillion;
  const storage = (storedBytes / GIGABYTE) * (prices.storageGigabyteMonth / HOURS_A_MONTH);
  return storage + (requests / MILLION) * (3600 / seconds);
}
