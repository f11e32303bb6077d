import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Account, AccountDnsRecord } from './account-state.ts';
import { ApiFailure, ok, pageOf } from './api-answer.ts';
import type { ApiHandlers } from './api-answer.ts';
import type { ApiContext } from './api-context.ts';
import { checkConflicts, checkRecord, zoneFile } from './dns-record-rules.ts';

export interface AuthorityRecord {
  readonly name: string;
  readonly type: AccountDnsRecord['type'];
  readonly content: string;
  /** Seconds. */
  readonly ttl: number;
  readonly proxied: boolean;
  /** Of an MX record. */
  readonly priority: number | null;
}

/** What TTL 1 ("automatic") means, seconds. */
const automaticTtl = 300;

/** The zone's records with effective TTLs. */
export function recordsForAuthority(account: Account): readonly AuthorityRecord[] {
  return account.records.map(({ name, type, content, ttl, proxied, priority }) => ({
    name,
    type,
    content,
    ttl: ttl === 1 ? automaticTtl : ttl,
    proxied,
    priority,
  }));
}

const Fields = v.object({
  type: v.optional(v.picklist(['A', 'AAAA', 'CNAME', 'MX', 'NS', 'TXT'])),
  name: v.optional(v.string()),
  content: v.optional(v.string()),
  ttl: v.optional(v.number()),
  proxied: v.optional(v.boolean()),
  priority: v.optional(v.number()),
  comment: v.optional(v.string()),
  tags: v.optional(v.array(v.string()), []),
});
const Id = v.object({ id: v.string() });
const IdAndFields = v.object({ ...Id.entries, ...Fields.entries });
const Batch = v.object({
  deletes: v.optional(v.array(Id), []),
  patches: v.optional(v.array(IdAndFields), []),
  puts: v.optional(v.array(IdAndFields), []),
  posts: v.optional(v.array(Fields), []),
});
type RecordFields = v.InferOutput<typeof Fields>;

/** The zone's DNS records: one at a time, in an atomic batch, and as a zone file. */
export function dnsHandlers({ identity, store }: ApiContext): ApiHandlers {
  const zone = identity.zoneName;
  const byId = (records: readonly AccountDnsRecord[], id: string | undefined) => {
    const record = records.find((one) => one.id === id);
    if (record === undefined) throw new ApiFailure(404, 81044, 'Record does not exist.');
    return record;
  };
  const put = (draft: Account, record: AccountDnsRecord) => {
    checkRecord(record);
    checkConflicts(record, draft.records);
    draft.records = [...draft.records.filter((one) => one.id !== record.id), record];
    return record;
  };
  const create = (draft: Account, fields: RecordFields) => put(draft, written(newRecord(), fields, zone));
  const replace = (draft: Account, id: string | undefined, fields: RecordFields) => {
    const old = byId(draft.records, id);
    return put(draft, written({ ...newRecord(), id: old.id, createdOn: old.createdOn }, fields, zone));
  };
  const patch = (draft: Account, id: string | undefined, fields: RecordFields) =>
    put(draft, written({ ...byId(draft.records, id), modifiedOn: new Date().toISOString() }, fields, zone));
  const remove = (draft: Account, id: string | undefined) => {
    const record = byId(draft.records, id);
    draft.records = draft.records.filter((one) => one !== record);
    return record;
  };

  return {
    'dns.records.list': ({ query }) => {
      const matching = store
        .current()
        .records.filter((record) => matches(record, query))
        .sort((a, b) => (a.name + a.type < b.name + b.type ? -1 : 1));
      const { shown, info } = pageOf(matching, query, 100);
      return ok(shown.map(shownRecord), info);
    },
    'dns.records.get': ({ params }) => ok(shownRecord(byId(store.current().records, params['dns_record_id']))),
    'dns.records.create': async ({ body }) => {
      const fields = v.parse(Fields, body);
      return ok(shownRecord(await store.change((draft) => create(draft, fields))));
    },
    'dns.records.update': async ({ params, body }) => {
      const fields = v.parse(Fields, body);
      return ok(shownRecord(await store.change((draft) => replace(draft, params['dns_record_id'], fields))));
    },
    'dns.records.edit': async ({ params, body }) => {
      const fields = v.parse(Fields, body);
      return ok(shownRecord(await store.change((draft) => patch(draft, params['dns_record_id'], fields))));
    },
    'dns.records.delete': async ({ params }) => {
      const { id } = await store.change((draft) => remove(draft, params['dns_record_id']));
      return ok({ id });
    },
    // The vendor's order; when one of them is refused, none of them happened.
    'dns.records.batch': async ({ body }) => {
      const batch = v.parse(Batch, body ?? {});
      const done = await store.change((draft) => ({
        deletes: batch.deletes.map(({ id }) => remove(draft, id)),
        patches: batch.patches.map((one) => patch(draft, one.id, one)),
        puts: batch.puts.map((one) => replace(draft, one.id, one)),
        posts: batch.posts.map((one) => create(draft, one)),
      }));
      return ok({
        deletes: done.deletes.map(shownRecord),
        patches: done.patches.map(shownRecord),
        puts: done.puts.map(shownRecord),
        posts: done.posts.map(shownRecord),
      });
    },
    'dns.records.export': () => ({ status: 200, body: zoneFile(zone, store.current().records) }),
  };
}

function newRecord(): AccountDnsRecord {
  const now = new Date().toISOString();
  return {
    id: randomUUID().replaceAll('-', ''),
    type: 'A',
    name: '',
    content: '',
    ttl: 1,
    proxied: false,
    priority: null,
    comment: null,
    createdOn: now,
    modifiedOn: now,
  };
}

/** `base` with the given fields over it, names made full and the TTL as it reads back. */
function written(base: AccountDnsRecord, fields: RecordFields, zone: string): AccountDnsRecord {
  if (fields.tags.length > 0) {
    const chain = [{ code: 9300, message: 'DNS record has 1 tags, exceeding the quota of 0.' }];
    throw new ApiFailure(400, 1004, 'DNS Validation Error', chain);
  }
  const proxied = fields.proxied ?? base.proxied;
  return {
    ...base,
    type: fields.type ?? base.type,
    name: fields.name === undefined ? base.name : fullName(fields.name, zone),
    content: fields.content ?? base.content,
    // A proxied record is always automatic, whatever was sent.
    ttl: proxied ? 1 : (fields.ttl ?? base.ttl),
    proxied,
    priority: fields.priority ?? base.priority,
    comment: fields.comment ?? base.comment,
  };
}

/** `@` is the zone; a name outside of the zone is meant relative to it. */
function fullName(name: string, zone: string): string {
  const plain = name.toLowerCase().replace(/\.$/, '');
  if (plain === '@' || plain === zone) return zone;
  return plain.endsWith(`.${zone}`) ? plain : `${plain}.${zone}`;
}

function matches(record: AccountDnsRecord, query: Readonly<Record<string, unknown>>): boolean {
  const exactly: readonly [unknown, string | boolean][] = [
    [query['name'], record.name],
    [query['name.exact'], record.name],
    [query['content'], record.content],
    [query['content.exact'], record.content],
    [query['type'], record.type],
    [query['proxied'], record.proxied],
  ];
  const part = query['name.contains'];
  return (
    exactly.every(([wanted, value]) => wanted === undefined || wanted === value) &&
    (typeof part !== 'string' || record.name.includes(part))
  );
}

function shownRecord(record: AccountDnsRecord) {
  return {
    id: record.id,
    type: record.type,
    name: record.name,
    content: record.content,
    ttl: record.ttl,
    proxied: record.proxied,
    proxiable: ['A', 'AAAA', 'CNAME'].includes(record.type),
    comment: record.comment,
    tags: [],
    settings: {},
    meta: {},
    created_on: record.createdOn,
    modified_on: record.modifiedOn,
    ...(record.priority === null ? {} : { priority: record.priority }),
  };
}
