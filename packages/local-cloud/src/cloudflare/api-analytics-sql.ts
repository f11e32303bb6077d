import { ApiFailure } from './api-answer.ts';
import type { ApiHandlers } from './api-answer.ts';
import type { ApiContext } from './api-context.ts';

/** Analytics Engine's SQL over what Workers wrote. Nothing is sampled here: every interval is 1. */
export function analyticsSqlHandlers({ dataPoints }: ApiContext): ApiHandlers {
  return {
    'analytics_engine.sql': ({ body }) => {
      try {
        const { columns, rows } = dataPoints.query(String(body));
        return {
          status: 200,
          body: { meta: columns.map((name) => ({ name, type: '' })), data: rows, rows: rows.length },
        };
      } catch (error) {
        throw new ApiFailure(400, 10021, `unable to parse query: ${error instanceof Error ? error.message : error}`);
      }
    },
  };
}
