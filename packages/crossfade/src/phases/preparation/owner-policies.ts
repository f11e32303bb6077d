import type { Check } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';

interface Policy {
  readonly name: string;
  readonly command: string;
  readonly condition: string;
}

/** PostgreSQL writes an AND of the whole condition this way, so that nothing but the one bucket's rows can meet it. */
const OF_ONE_BUCKET = /^\(\(bucket_id = '((?:[^']|'')*)'::text\) AND /;
const LITERAL = /'(?:[^']|'')*'/g;
const OWNER = /\bowner(_id)?\b/;

/** Whether rows of the bucket that have no owner may be hidden by it. */
export function asksForOwner({ condition }: Pick<Policy, 'condition'>, bucket: string): boolean {
  const other = OF_ONE_BUCKET.exec(condition)?.[1]?.replaceAll("''", "'");
  if (other !== undefined && other !== bucket) return false;
  return OWNER.test(condition.replaceAll(LITERAL, "''"));
}

/**
 * Policies that let users see or change their own files by the row's owner. What comes back over S3 has none, and the
 * vendor forbids to write it by SQL (seen on supabase/storage 1.11.2: `owner` and `owner_id` are null): after a rollback
 * such a policy hides the uploads that were made since the switch from who made them. It is for people to choose: to let
 * the policy go by the key, or to accept it by its name.
 */
export function ownerPoliciesCheck(): Check {
  return {
    id: 'production.ownerPolicies',
    title: 'No policy of the old store hides what a rollback brings back from its owner',
    proves: [],
    async run({ config, providers }) {
      const { bucket } = config.environments.production.supabase;
      const accepted = new Set(config.transfer.accepted?.ownerPolicies ?? []);
      const policies = await providers.database.production.query<Record<keyof Policy, string>>(
        `select policyname as name, cmd as command, coalesce(qual, '') as condition from pg_policies
         where schemaname = 'storage' and tablename = 'objects' order by policyname`,
      );
      const hiding = policies.filter((policy) => asksForOwner(policy, bucket));
      const open = hiding.filter(({ name }) => !accepted.has(name));
      const names = open.map(({ name, command }) => `"${name}" (${command})`).join(', ');
      return verdict(open.length === 0, {
        summary:
          open.length === 0
            ? `${policies.length} policies, of which ${hiding.length} go by an object's owner, each accepted by name`
            : `uploads that a rollback brings back have no owner, and these policies go by it: ${names}`,
        measured: { policies: policies.length, byOwner: hiding.map(({ name, condition }) => ({ name, condition })) },
        expected: { byOwner: [...accepted] },
        mend: 'let each go by the key instead, such as (storage.foldername(name))[2] = auth.uid()::text, or list it in transfer.accepted.ownerPolicies',
      });
    },
  };
}
