import type { RolloutConfig } from '../../rollout/config.ts';
import type { OnCallProvider } from '../providers.ts';
import { createCalendarAddress, createCalendarFile } from './icalendar.ts';
import { createPagerDutySchedule } from './pagerduty-schedule.ts';
import { createScheduleFile } from './schedule-file.ts';

/** The schedule, wherever the config says that it is kept. */
export function createOnCall(source: RolloutConfig['team']['onCall']): OnCallProvider {
  switch (source.kind) {
    case 'file':
      return createScheduleFile(source.file);
    case 'icalendar':
      return createCalendarFile(source.file);
    case 'icalendar-url':
      return createCalendarAddress(source.secretUrl);
    case 'pagerduty':
      return createPagerDutySchedule(source);
  }
}
