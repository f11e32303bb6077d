import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import type { CloudflareProvider, DnsRecord, WorkerRoute } from '../providers.ts';
import * as shape from './answers.ts';
import { orNothing, type CloudflareApi } from './api-call.ts';
import { createOwnWrites } from './own-writes.ts';

const PAGE = 100;

type Zone = Pick<
  CloudflareProvider,
  | 'listDnsRecords'
  | 'createDnsRecord'
  | 'patchDnsRecord'
  | 'deleteDnsRecord'
  | 'listRoutes'
  | 'createRoute'
  | 'deleteRoute'
>;

/** The zone's records and routes. */
export function createZone({ call, callBare, again }: CloudflareApi, root: string, pace: number): Zone {
  const ownRecords = createOwnWrites<readonly DnsRecord[]>(pace);
  const ownRoutes = createOwnWrites<readonly WorkerRoute[]>(pace);
  const routes = `${root}/workers/routes`;
  const listRoutes = (): Promise<readonly WorkerRoute[]> =>
    ownRoutes.read(root, async () => (await call('get', routes, v.array(shape.route))).map(shape.toRoute));
  const listDnsRecords = (name: string): Promise<readonly DnsRecord[]> =>
    ownRecords.read(name, async () => {
      const query = { 'name.exact': name, per_page: PAGE };
      return (await call('get', `${root}/dns_records`, v.array(shape.dnsRecord), { query })).map(shape.toDnsRecord);
    });
  return {
    listRoutes,
    listDnsRecords,
    async createDnsRecord({ comment, ...fields }) {
      const record = await again(async (attempt) => {
        // An attempt whose answer was lost may have made it.
        const made = (attempt > 1 ? await listDnsRecords(fields.name) : []).find(
          ({ type, content }) => type === fields.type && content === fields.content,
        );
        const options = { body: { ...fields, comment: comment ?? '' } };
        return made ?? shape.toDnsRecord(await call('post', `${root}/dns_records`, shape.dnsRecord, options));
      });
      ownRecords.note(record.name, (records) => records.some((one) => one.id === record.id));
      return record;
    },
    async deleteDnsRecord(id) {
      await orNothing(callBare('delete', `${root}/dns_records/${id}`, shape.envelope), null);
    },
    async patchDnsRecord(id, { comment, ...change }) {
      const path = `${root}/dns_records/${id}`;
      // The API takes no null: an empty comment is how one is taken away.
      const body = comment === undefined ? change : { ...change, comment: comment ?? '' };
      const record = await again(async (attempt) => {
        const now = attempt > 1 ? shape.toDnsRecord(await call('get', path, shape.dnsRecord)) : null;
        if (now !== null && isChanged(now, { ...change, ...(comment === undefined ? {} : { comment }) })) return now;
        return shape.toDnsRecord(await call('patch', path, shape.dnsRecord, { body, repeat: false }));
      });
      ownRecords.note(record.name, (records) => records.some((one) => isDeepStrictEqual(one, record)));
      return record;
    },
    async createRoute(pattern, script) {
      const id = await again(async (attempt) => {
        // An attempt whose answer was lost may have made it.
        const made = attempt > 1 ? (await listRoutes()).find((one) => one.pattern === pattern) : undefined;
        if (made?.script === script) return made.id;
        return (await call('post', routes, v.object({ id: v.string() }), { body: { pattern, script } })).id;
      });
      ownRoutes.note(root, (all) => all.some((one) => one.id === id));
      return { id, pattern, script };
    },
    async deleteRoute(id) {
      await orNothing(callBare('delete', `${routes}/${id}`, shape.envelope), null);
      ownRoutes.note(root, (all) => all.every((one) => one.id !== id));
    },
  };
}

/** Whether a record already shows a change whose answer was lost. The TTL of a proxied one is the vendor's affair. */
function isChanged(record: DnsRecord, change: Partial<Omit<DnsRecord, 'id'>>): boolean {
  const { ttl, ...rest } = change;
  const shown = { ...record, comment: record.comment ?? '' };
  const wanted = { ...rest, ...(rest.comment === undefined ? {} : { comment: rest.comment ?? '' }) };
  const isTtl = ttl === undefined || record.proxied || record.ttl === ttl;
  return isTtl && isDeepStrictEqual({ ...shown, ...wanted }, shown);
}
