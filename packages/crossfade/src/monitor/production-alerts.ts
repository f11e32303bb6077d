import type { JournalEvent } from '../rollout/journal-event.ts';
import type { ProductionAlerts } from '../rollout/report-shapes.ts';
import type { AlertRule } from './trouble.ts';

/** Which alerts fire now, by the journal; what no rule of the sentinel measures is `null`. */
export function productionAlerts(events: readonly JournalEvent[]): ProductionAlerts {
  const firing = (rule: AlertRule): boolean =>
    events.findLast(
      (event) => (event.kind === 'alert.fired' || event.kind === 'alert.resolved') && event.data.rule === rule,
    )?.kind === 'alert.fired';
  return {
    critical: {
      workerDown: firing('workerDown'),
      highErrorRate: firing('highErrorRate'),
      quotaExceeded: null,
      wrongBytes: firing('wrongBytes'),
      foreignObject: firing('foreignObject'),
      noData: firing('noData'),
      tooSlow: firing('tooSlow'),
    },
    warning: {
      highResponseTime: firing('highResponseTime'),
      highCostRate: null,
      lowSuccessRate: firing('lowSuccessRate'),
      mirrorLag: firing('mirrorLag'),
    },
    info: { highUsage: null, newUserSignup: null, largeUpload: null },
  };
}
