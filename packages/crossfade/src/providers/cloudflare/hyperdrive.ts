import * as v from 'valibot';
import { retrying } from '../retry.ts';
import { envelope } from './answers.ts';
import { orNothing, type CloudflareApi } from './api-call.ts';

/** Where a database is, and who asks it. The vendor never tells the password again. */
export interface HyperdriveOrigin {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}
export interface HyperdriveConfig {
  readonly id: string;
  readonly name: string;
  readonly origin: HyperdriveOrigin;
  readonly cachingDisabled: boolean;
}
export interface HyperdriveProvider {
  listHyperdrives(): Promise<readonly HyperdriveConfig[]>;
  /** Its cache of queries is off. */
  createHyperdrive(name: string, origin: HyperdriveOrigin & { password: string }): Promise<HyperdriveConfig>;
  /** Replaces name, origin and caching; Workers that bind it go over to it at once. */
  updateHyperdrive(
    id: string,
    name: string,
    origin: HyperdriveOrigin & { password: string },
  ): Promise<HyperdriveConfig>;
  deleteHyperdrive(id: string): Promise<void>;
}

const PAGE = 100;

/** A config of somebody else may lead through a tunnel: then it has no port, or no host. */
const config = v.object({
  id: v.string(),
  name: v.string(),
  origin: v.object({
    host: v.optional(v.string(), ''),
    port: v.optional(v.number(), 0),
    database: v.string(),
    user: v.string(),
  }),
  caching: v.object({ disabled: v.optional(v.boolean(), false) }),
});
const page = v.object({
  result: v.array(config),
  result_info: v.nullish(v.object({ total_pages: v.optional(v.number(), 1) })),
});

const toConfig = ({ id, name, origin, caching }: v.InferOutput<typeof config>): HyperdriveConfig => ({
  id,
  name,
  origin,
  cachingDisabled: caching.disabled,
});

/** Hyperdrive's configs. The Worker remembers what it may remember itself, so their caches of queries are off. */
export function hyperdrives({ call, callBare }: CloudflareApi, root: string): HyperdriveProvider {
  async function listHyperdrives(): Promise<HyperdriveConfig[]> {
    const found: HyperdriveConfig[] = [];
    for (let number = 1, pages = 1; number <= pages; number++) {
      const answer = await callBare('get', root, page, { query: { page: number, per_page: PAGE } });
      found.push(...answer.result.map(toConfig));
      pages = answer.result_info?.total_pages ?? 1;
    }
    return found;
  }
  const body = (name: string, origin: object): object => ({
    name,
    origin: { scheme: 'postgres', ...origin },
    caching: { disabled: true },
  });
  return {
    listHyperdrives,
    async createHyperdrive(name, origin) {
      return retrying(async (attempt) => {
        // An attempt whose answer was lost may have made it.
        const made = attempt > 1 ? (await listHyperdrives()).find((one) => one.name === name) : undefined;
        if (made !== undefined) return made;
        const options = { body: body(name, origin), retries: 0, secrets: [origin.password] };
        return toConfig(await call('post', root, config, options));
      });
    },
    async updateHyperdrive(id, name, origin) {
      const options = { body: body(name, origin), secrets: [origin.password] };
      return toConfig(await call('put', `${root}/${id}`, config, options));
    },
    async deleteHyperdrive(id) {
      await orNothing(callBare('delete', `${root}/${id}`, envelope), null);
    },
  };
}
