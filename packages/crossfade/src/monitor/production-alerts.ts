import type { JournalEvent } from '../rollout/journal-event.ts';
import type { ProductionAlerts } from '../rollout/report-shapes.ts';
import type { AlertRule } from './trouble.ts';

/** Which alerts fire now, by the journal; `false` also where nobody has watched yet. */
export function productionAlerts(events: readonly JournalEvent[]): ProductionAlerts {
  const firing = (rule: AlertRule): boolean =>
    events.findLast(
      (event) => (event.kind === 'alert.fired' || event.kind === 'alert.resolved') && event.data.rule === rule,
    )?.kind === 'alert.fired';
  return {
    critical: {
      workerDown: firing('workerDown'),
      highErrorRate: firing('highErrorRate'),
      quotaExceeded: firing('quotaExceeded'),
      wrongBytes: firing('wrongBytes'),
      foreignObject: firing('foreignObject'),
      noData: firing('noData'),
      tooSlow: firing('tooSlow'),
    },
    warning: {
      highResponseTime: firing('highResponseTime'),
      highCostRate: firing('highCostRate'),
      lowSuccessRate: firing('lowSuccessRate'),
      mirrorLag: firing('mirrorLag'),
      legacyRefuses: firing('legacyRefuses'),
    },
    info: {
      highUsage: firing('highUsage'),
      newUserSignup: firing('newUserSignup'),
      largeUpload: firing('largeUpload'),
    },
  };
}
