import type { Fault } from '@crossfade/local-cloud/faults';

/** What can be planted in the local cloud, through its control API. */
export function createFaultControl(controlUrl: string) {
  const ask = async (method: 'POST' | 'DELETE', body?: Fault): Promise<void> => {
    const response = await fetch(`${controlUrl}/faults`, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`the cloud's faults answered ${response.status}: ${await response.text()}`);
  };
  return {
    plant: (fault: Fault): Promise<void> => ask('POST', fault),
    /** Every planted fault is over. */
    clear: (): Promise<void> => ask('DELETE'),
  };
}
