import { expect, test } from 'vitest';
import { account_id, startTestAccount, token, zone_id } from './api-test-account.ts';
import type { TestAccount } from './api-test-account.ts';
import type { EdgeRequest } from './runtime-contract.ts';

const start = Date.parse('2026-11-23T10:00:00.250Z');
const since = new Date(start).toISOString();
const until = new Date(start + 60_000).toISOString();

function edgeRequest(index: number, change: Partial<EdgeRequest> = {}): EdgeRequest {
  return {
    at: start + index * 1000,
    host: 'media.audafact.com',
    script: 'audafact-api',
    versionId: 'version-one',
    method: 'GET',
    status: 200,
    ms: index + 1,
    outcome: 'success',
    ...change,
  };
}

async function ask({ call }: TestAccount, query: string, variables: object) {
  const answer = await call('POST', '/graphql', { query, variables });
  return { status: answer.status, body: answer.body };
}

test('invocations are counted by version and outcome, with quantiles in microseconds', async () => {
  const account = await startTestAccount();
  for (let index = 0; index < 10; index += 1) account.runtime.requests.push(edgeRequest(index));
  account.runtime.requests.push(
    edgeRequest(11, { versionId: 'version-two', status: 500, outcome: 'scriptThrewException' }),
    edgeRequest(12, { versionId: 'version-two', status: 500 }),
    edgeRequest(13, { script: 'audafact-api-staging' }),
    edgeRequest(70),
  );
  const query = `query Invocations($account: string!, $script: string!, $since: Time!, $until: Time!) {
    viewer {
      accounts(filter: { accountTag: $account }) {
        versions: workersInvocationsAdaptive(
          limit: 100, orderBy: [sum_requests_DESC]
          filter: { scriptName: $script, datetime_geq: $since, datetime_leq: $until }
        ) {
          sum { requests errors }
          quantiles { cpuTimeP50 wallTimeP99 }
          dimensions { version: scriptVersion }
        }
      }
    }
  }`;
  const variables = { account: account_id, script: 'audafact-api', since, until };
  expect(await ask(account, query, variables)).toEqual({
    status: 200,
    body: {
      data: {
        viewer: {
          accounts: [
            {
              versions: [
                {
                  sum: { requests: 10, errors: 0 },
                  quantiles: { cpuTimeP50: 5000, wallTimeP99: 10_000 },
                  dimensions: { version: 'version-one' },
                },
                {
                  sum: { requests: 2, errors: 1 },
                  quantiles: { cpuTimeP50: 12_000, wallTimeP99: 13_000 },
                  dimensions: { version: 'version-two' },
                },
              ],
            },
          ],
        },
      },
      errors: null,
    },
  });
});

test('the zone counts requests of one host by HTTP status, edges of the window included', async () => {
  const account = await startTestAccount();
  account.runtime.requests.push(
    edgeRequest(-0.001),
    edgeRequest(0),
    edgeRequest(5, { status: 503 }),
    edgeRequest(60),
    edgeRequest(60.001),
    edgeRequest(3, { host: 'staging.media.audafact.com' }),
  );
  const query = `query ($zone: string!, $host: string!, $since: Time!, $until: Time!) {
    viewer { zones(filter: {zoneTag: $zone}) {
      httpRequestsAdaptiveGroups(limit: 10, orderBy: [count_DESC],
        filter: {clientRequestHTTPHost: $host, datetime_geq: $since, datetime_leq: $until}) {
        count dimensions { edgeResponseStatus }
      }
    } }
  }`;
  const answer = await ask(account, query, { zone: zone_id, host: 'media.audafact.com', since, until });
  expect(answer.body['data']).toEqual({
    viewer: {
      zones: [
        {
          httpRequestsAdaptiveGroups: [
            { count: 2, dimensions: { edgeResponseStatus: 200 } },
            { count: 1, dimensions: { edgeResponseStatus: 503 } },
          ],
        },
      ],
    },
  });
});

test('R2 operations are summed by action and storage is what the bucket holds now', async () => {
  const account = await startTestAccount();
  await account.client.r2.buckets.create({ account_id, name: 'audafact' });
  account.runtime.buckets.set('audafact', { objects: 3, payloadBytes: 4096, metadataBytes: 77 });
  const operation = { at: start, bucket: 'audafact', action: 'GetObject', bytes: 100 };
  account.runtime.operations.push(operation, operation, { ...operation, action: 'PutObject' });
  account.runtime.operations.push({ ...operation, bucket: 'other' });
  const query = `query ($account: string!, $bucket: string!, $since: Time!) {
    viewer { accounts(filter: {accountTag: $account}) {
      r2OperationsAdaptiveGroups(limit: 10, orderBy: [actionType_ASC], filter: {bucketName: $bucket, datetime_geq: $since}) {
        sum { requests responseBytes } dimensions { actionType }
      }
      r2StorageAdaptiveGroups(limit: 1, filter: {bucketName: $bucket, datetime_geq: $since}, orderBy: [datetime_DESC]) {
        max { objectCount payloadSize metadataSize }
      }
    } }
  }`;
  const answer = await ask(account, query, { account: account_id, bucket: 'audafact', since });
  expect(answer.body['data']).toEqual({
    viewer: {
      accounts: [
        {
          r2OperationsAdaptiveGroups: [
            { sum: { requests: 2, responseBytes: 200 }, dimensions: { actionType: 'GetObject' } },
            { sum: { requests: 1, responseBytes: 0 }, dimensions: { actionType: 'PutObject' } },
          ],
          r2StorageAdaptiveGroups: [{ max: { objectCount: 3, payloadSize: 4096, metadataSize: 77 } }],
        },
      ],
    },
  });
});

test('no data is an empty list, not zeros', async () => {
  const account = await startTestAccount();
  const query = `query ($filter: Any_Input!) { viewer { accounts(filter: {accountTag: "${account_id}"}) {
    workersInvocationsAdaptive(limit: 5, filter: $filter) { sum { requests } } } } }`;
  const answer = await ask(account, query, { filter: { scriptName: 'audafact-api', datetime_geq: since } });
  expect(answer.body['data']).toEqual({ viewer: { accounts: [{ workersInvocationsAdaptive: [] }] } });
});

test('what the datasets do not have is an error, even when no row matches', async () => {
  const account = await startTestAccount();
  const of = (inner: string) => `{ viewer { accounts(filter: {accountTag: "${account_id}"}) { ${inner} } } }`;
  const cases: [string, RegExp][] = [
    [of('workersInvocationsAdaptive { sum { colours } }'), /unknown field "colours"/],
    [of('workersInvocationsAdaptive { dimensions { coloCode } }'), /unknown field "coloCode"/],
    [of('workersInvocationsAdaptive(filter: {colour: "red"}) { count }'), /unknown field "colour"/],
    [of('workersInvocationsAdaptive(limit: 100000) { count }'), /limit must be/],
    [of('httpRequestsAdaptiveGroups { count }'), /unknown field "httpRequestsAdaptiveGroups"/],
    [of('...Rest'), /fragments/],
    ['{ viewer { accounts(filter: {accountTag: $gone}) { x } } }', /variable "\$gone"/],
    ['mutation { viewer }', /"mutation" is not supported/],
    ['{ viewer { ', /ends too early/],
  ];
  for (const [query, message] of cases) {
    const answer = await ask(account, query, {});
    expect(answer).toMatchObject({ status: 400, body: { data: null, errors: [{ path: null }] } });
    expect(JSON.stringify(answer.body)).not.toContain(token);
    expect(answer.body.errors?.[0]?.message).toMatch(message);
  }
});

test('somebody else’s account answers 200 with errors, as at the vendor', async () => {
  const account = await startTestAccount();
  const query = `{ viewer { accounts(filter: {accountTag: "${'f'.repeat(32)}"}) { workersInvocationsAdaptive { count } } } }`;
  expect(await ask(account, query, {})).toMatchObject({
    status: 200,
    body: { data: null, errors: [{ message: 'not authorized for that account', extensions: { code: 'authz' } }] },
  });
});

test('while a scenario plants silence, nothing was counted', async () => {
  const account = await startTestAccount();
  account.runtime.requests.push(edgeRequest(0));
  const query = `query ($zone: string!, $since: Time!, $until: Time!) { viewer { zones(filter: { zoneTag: $zone }) {
    httpRequestsAdaptiveGroups(limit: 10, filter: { datetime_geq: $since, datetime_leq: $until }) { count }
  } } }`;
  const counted = async () => (await ask(account, query, { zone: zone_id, since, until })).body['data'];
  const groups = (found: object[]) => ({ viewer: { zones: [{ httpRequestsAdaptiveGroups: found }] } });
  expect(await counted()).toEqual(groups([{ count: 1 }]));
  account.faults.plant({ kind: 'no-analytics', seconds: 60 });
  expect(await counted()).toEqual(groups([]));
});
