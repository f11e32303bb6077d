/** What a deployment of the studio is told at run time: one build serves staging and production. */
export interface StudioConfig {
  readonly workerEndpoint: string;
  readonly supabaseUrl: string;
  readonly supabaseAnonKey: string;
  readonly environment: string;
}

function text(value: unknown, field: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new Error(`config.json lacks ${field}`);
}

export async function loadStudioConfig(): Promise<StudioConfig> {
  const response = await fetch('./config.json', { cache: 'no-cache' });
  const body = (await response.json()) as Record<string, unknown>;
  return {
    workerEndpoint: text(body['workerEndpoint'], 'workerEndpoint'),
    supabaseUrl: text(body['supabaseUrl'], 'supabaseUrl'),
    supabaseAnonKey: text(body['supabaseAnonKey'], 'supabaseAnonKey'),
    environment: text(body['environment'], 'environment'),
  };
}
