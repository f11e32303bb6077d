import type { RollbackStep } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { copyToR2, mirrorToLegacy, missingInLegacy, verifyInR2 } from '../transfer-pass.ts';

/** Then the mirror: what production wrote to R2 goes to legacy. Its rows have their public URL by trigger. */
export function mirrorBack(): RollbackStep {
  return {
    id: 'rollback.mirror',
    title: 'Uploads made since the switch mirrored back to legacy',
    async byHand({ config }) {
      const { worker, supabase } = config.environments.production;
      const [from, to] = [`r2:${worker.bucket}`, `supabase:${supabase.bucket}`];
      return `rclone copy --checksum ${from} ${to} && rclone check --one-way ${from} ${to}`;
    },
    run: mirrorToLegacy,
    async verify(context) {
      const missing = await missingInLegacy(context);
      return verdict(missing.length === 0, {
        summary: `${missing.length} objects of R2 are missing in legacy`,
        measured: missing.slice(0, 20),
        expected: [],
      });
    },
  };
}

/** R2 holds again what legacy holds: what is missing there or differs is copied anew, and all of it verified. */
export function restoreData(): RollbackStep {
  return {
    id: 'rollback.data',
    title: 'R2 restored from legacy, object by object',
    async byHand({ config }) {
      const { worker, supabase } = config.environments.production;
      const [from, to] = [`supabase:${supabase.bucket}`, `r2:${worker.bucket}`];
      return `rclone copy --checksum ${from} ${to} && rclone check --one-way ${from} ${to}`;
    },
    run: (context) => copyToR2(context, 'restore'),
    async verify(context) {
      const result = await verifyInR2(context, 'restore');
      return verdict(result.objects > 0 && result.missing === 0 && result.mismatched === 0, {
        summary: `${result.verified} of ${result.objects} objects verified in R2`,
        measured: { ...result },
        expected: { missing: 0, mismatched: 0 },
      });
    },
  };
}
