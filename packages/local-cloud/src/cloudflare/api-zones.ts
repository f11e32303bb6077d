import { createHash } from 'node:crypto';
import { ok, pageOf } from './api-answer.ts';
import type { ApiHandlers } from './api-answer.ts';
import type { ApiContext } from './api-context.ts';

/** The token's own state and the account's one zone. */
export function zoneHandlers({ identity, store }: ApiContext): ApiHandlers {
  const zone = () => {
    const since = store.current().createdOn;
    return {
      id: identity.zoneId,
      name: identity.zoneName,
      status: 'active',
      paused: false,
      type: 'full',
      development_mode: 0,
      name_servers: ['ada.ns.cloudflare.com', 'bob.ns.cloudflare.com'],
      original_name_servers: null,
      original_registrar: null,
      original_dnshost: null,
      created_on: since,
      modified_on: since,
      activated_on: since,
      account: { id: identity.accountId, name: 'local-cloud' },
      owner: { id: identity.accountId, type: 'user', name: 'local-cloud' },
      plan: { id: '0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee', name: 'Free Website' },
      meta: { step: 2, custom_certificate_quota: 0, page_rule_quota: 3, phishing_detected: false },
    };
  };
  return {
    'user.tokens.tokens.verify': () => {
      const id = createHash('sha256').update(`token of ${identity.accountId}`).digest('hex').slice(0, 32);
      return ok({ id, status: 'active' });
    },
    'zones.zones.list': ({ query }) => {
      const { name, status, 'account.id': account } = query;
      const matches =
        (name === undefined || name === identity.zoneName) &&
        (status === undefined || status === 'active') &&
        (account === undefined || account === identity.accountId);
      const { shown, info } = pageOf(matches ? [zone()] : [], query, 20);
      return ok(shown, info);
    },
    'zones.zones.get': () => ok(zone()),
  };
}
