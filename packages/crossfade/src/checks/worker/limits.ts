import type { EnvironmentName, RolloutConfig } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check } from '../../rollout/plan.ts';
import { skipped, verdict } from '../../rollout/verdict.ts';
import type { PublicResponse } from '../../providers/providers.ts';
import { errorCode, openMediaClient, type MediaClient } from './media-client.ts';

type Tier = 'free' | 'pro' | 'enterprise';
type Limits = RolloutConfig['worker']['tiers']['free'];

const CLIENTS = 50;
/** So many of the rush are let through: the last allowed and the one before it. */
const LEFT = 2;
const HOUR = 3600;
const DAY = 86_400;

/** One limit: how it is brought to its edge, what is asked for, and when it is free again. */
interface Rule {
  readonly name: string;
  /** The API's own words for it. */
  readonly code: string;
  limitOf(limits: Limits): number;
  /** What is set as used, for a limit; `null` where nothing is counted beforehand. */
  usage(limit: number): Record<string, number> | null;
  ask(client: MediaClient, index: number): Promise<PublicResponse>;
  /** Seconds after which one more must pass. */
  resetSeconds(config: RolloutConfig): number;
}

const ownKey = (client: MediaClient, index: number): string => `users/${client.userId}/uploads/limit-${index}.wav`;
const signFile = (client: MediaClient, index: number, more = ''): Promise<PublicResponse> =>
  client.request(`/api/sign-file?key=${encodeURIComponent(ownKey(client, index))}${more}`);
const signUpload = (client: MediaClient, sizeBytes: number): Promise<PublicResponse> =>
  client.request('/api/sign-upload', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ filename: 'limit.wav', contentType: 'audio/wav', sizeBytes }),
  });

const RATES: readonly Rule[] = [
  {
    name: 'previews',
    code: 'RATE_LIMITED',
    limitOf: (limits) => limits.previewsPerHour,
    usage: (limit) => ({ previews: limit - LEFT }),
    ask: (client, index) => signFile(client, index),
    resetSeconds: () => HOUR,
  },
  {
    name: 'downloads',
    code: 'RATE_LIMITED',
    limitOf: (limits) => limits.downloadsPerDay,
    usage: (limit) => ({ downloads: limit - LEFT }),
    ask: (client, index) => signFile(client, index, '&download=1'),
    resetSeconds: () => DAY,
  },
  {
    name: 'liveUrls',
    code: 'RATE_LIMITED',
    limitOf: (limits) => limits.liveUrls,
    usage: () => null,
    ask: (client, index) => signFile(client, index),
    resetSeconds: (config) => config.worker.signedUrlSeconds + 1,
  },
];
const UPLOAD_BYTES = 10;
const QUOTAS: readonly Rule[] = [
  {
    name: 'uploads',
    code: 'QUOTA_EXCEEDED',
    limitOf: (limits) => limits.uploadsPerDay,
    usage: (limit) => ({ uploads: limit - LEFT }),
    ask: (client) => signUpload(client, UPLOAD_BYTES),
    resetSeconds: () => DAY,
  },
  {
    name: 'uploadBytes',
    code: 'QUOTA_EXCEEDED',
    limitOf: (limits) => limits.uploadBytesPerDay,
    // A rest of half an upload stays: the next is refused although not every byte is used.
    usage: (limit) => ({ uploadBytes: limit - LEFT * UPLOAD_BYTES - UPLOAD_BYTES / 2 }),
    ask: (client) => signUpload(client, UPLOAD_BYTES),
    resetSeconds: () => DAY,
  },
];

interface Finding {
  readonly tier: string;
  readonly rule: string;
  readonly limit: number;
  readonly expected: string;
  readonly measured: string;
}

/** The ledger's clock is set to the middle of a day and of an hour: no window ends while it is measured. */
function toMiddle(): number {
  return 12.5 * HOUR - (Math.floor(Date.now() / 1000) % DAY);
}

async function measureRule(config: RolloutConfig, client: MediaClient, tier: Tier, rule: Rule): Promise<Finding> {
  const limit = rule.limitOf(config.worker.tiers[tier]);
  const usage = rule.usage(limit);
  const skewSeconds = toMiddle();
  await client.arrange({ clear: true, skewSeconds, ...(usage === null ? {} : { usage }) });
  const clients = usage === null ? Math.max(CLIENTS, limit + LEFT) : CLIENTS;
  const answers = await Promise.all(Array.from({ length: clients }, (_, index) => rule.ask(client, index)));
  const passed = answers.filter((answer) => answer.status === 200).length;
  const others = new Set(answers.filter((answer) => answer.status !== 200).map(describe));
  // From the same start: the time that the rush itself took counts too.
  await client.arrange({ skewSeconds: skewSeconds + rule.resetSeconds(config) });
  const after = await rule.ask(client, clients);
  return {
    tier,
    rule: rule.name,
    limit,
    expected: `${usage === null ? limit : LEFT} of ${clients} pass, the others: 429 ${rule.code} with Retry-After; then 200`,
    measured: `${passed} of ${clients} pass, the others: ${[...others].join(', ')}; then ${after.status}`,
  };
}

function describe(answer: PublicResponse): string {
  const waits = Number(answer.headers['retry-after'] ?? '0') > 0;
  return `${answer.status} ${errorCode(answer)} ${waits ? 'with' : 'without'} Retry-After`;
}

async function measureLargest(config: RolloutConfig, client: MediaClient, tier: Tier): Promise<Finding> {
  const limit = config.worker.tiers[tier].largestFile;
  await client.arrange({ clear: true, skewSeconds: toMiddle() });
  const [fits, over] = [await signUpload(client, limit), await signUpload(client, limit + 1)];
  return {
    tier,
    rule: 'largestFile',
    limit,
    expected: '200 at the limit, 413 FILE_TOO_LARGE one byte above it',
    measured: `${fits.status} at the limit, ${over.status} ${over.status === 200 ? '' : errorCode(over)} one byte above it`,
  };
}

/** Checks that set the same users' ledgers take turns. */
const turns = new Map<string, Promise<unknown>>();
function inTurn<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const next = (turns.get(name) ?? Promise.resolve()).then(work);
  turns.set(
    name,
    next.catch(() => null),
  );
  return next;
}

function limitsCheck(
  environment: EnvironmentName,
  name: 'rateLimiting' | 'quotas',
  title: string,
  proves: readonly string[],
  rules: readonly Rule[],
): Check {
  const measureTier = async (context: RolloutContext, tier: Tier): Promise<Finding[]> => {
    const client = await openMediaClient(context, environment, { tier, as: 'limitUsers' });
    const findings: Finding[] = [];
    for (const rule of rules) findings.push(await measureRule(context.config, client, tier, rule));
    if (name === 'quotas') findings.push(await measureLargest(context.config, client, tier));
    await client.arrange({ clear: true });
    return findings;
  };
  return {
    id: `${environment}.worker.${name}`,
    title,
    proves,
    async run(context) {
      const { limitUsers, testSecret } = context.config.environments[environment];
      if (testSecret === undefined || limitUsers.length === 0)
        return skipped(`environments.${environment} has no testSecret or no limitUsers: nobody's ledger may be set`);
      const findings = await inTurn(context.rollout, () =>
        Promise.all(limitUsers.map((user) => measureTier(context, user.tier))),
      );
      const all = findings.flat();
      const wrong = all.filter((finding) => finding.measured !== finding.expected);
      const evidence = await context.keep(`${environment}/${name}.json`, JSON.stringify(all, null, 2));
      return verdict(wrong.length === 0, {
        summary:
          wrong.length === 0
            ? `${all.length} limits of ${limitUsers.length} tiers, each reached exactly under ${CLIENTS} clients, and free again after its window`
            : wrong.map((one) => `${one.tier} ${one.rule}: ${one.measured}; expected ${one.expected}`).join(' | '),
        measured: { right: all.length - wrong.length, wrong: wrong.map((one) => ({ ...one })) },
        expected: { right: all.length, wrong: [] },
        evidence: [evidence],
      });
    },
  };
}

/** Previews, downloads and links alive at once: each tier's limit, under fifty clients at the same moment. */
export function rateLimitingCheck(environment: EnvironmentName, proves: readonly string[]): Check {
  return limitsCheck(environment, 'rateLimiting', 'Each tier is limited exactly, and free again', proves, RATES);
}

/** Uploads and bytes a day, and the largest file: each tier's quota. */
export function quotasCheck(environment: EnvironmentName, proves: readonly string[]): Check {
  return limitsCheck(environment, 'quotas', 'Each tier has exactly its quota, and it comes back', proves, QUOTAS);
}
