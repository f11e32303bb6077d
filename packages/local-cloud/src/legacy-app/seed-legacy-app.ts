import { Pool } from 'pg';
import { plannedMedia, type PlannedMedia } from './media-plan.ts';

export interface LegacyProject {
  readonly url: string;
  readonly serviceKey: string;
  readonly bucket: string;
  readonly databaseUrl: string;
  /** What `file_url` begins with: the media domain that the app uses. */
  readonly mediaOrigin: string;
  /** Ids of the users who own the uploads. */
  readonly users: readonly string[];
}

const UPLOADS_AT_ONCE = 4;

async function ensureBucket({ url, serviceKey, bucket }: LegacyProject): Promise<void> {
  const response = await fetch(`${url}/storage/v1/bucket`, {
    method: 'POST',
    headers: { authorization: `Bearer ${serviceKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ id: bucket, name: bucket, public: true }),
  });
  const body = (await response.json()) as { code?: string };
  if (!response.ok && body.code !== 'ResourceAlreadyExists')
    throw new Error(`the legacy bucket could not be made: HTTP ${response.status}`);
}

/** Puts one file through the Storage API and its row into the database, as the old app did. */
async function store(project: LegacyProject, client: Pool, media: PlannedMedia): Promise<void> {
  const path = `object/${project.bucket}/${media.key}`;
  const response = await fetch(`${project.url}/storage/v1/${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${project.serviceKey}`,
      'content-type': media.contentType,
      'cache-control': 'max-age=3600',
      'x-upsert': 'true',
    },
    body: new Uint8Array(media.bytes),
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`${media.key} could not be stored: HTTP ${response.status}`);
  const fileUrl = `${project.mediaOrigin}/storage/v1/object/public/${project.bucket}/${media.key}`;
  if (media.kind === 'track') {
    await client.query(
      'insert into library_tracks (title, file_url, is_pro_only, content_hash, size_bytes, content_type) values ($1,$2,$3,$4,$5,$6)',
      [media.title, fileUrl, media.isProOnly, media.sha256, media.bytes.byteLength, media.contentType],
    );
  } else {
    await client.query(
      'insert into uploads (user_id, title, file_url, size_bytes, content_type) values ($1,$2,$3,$4,$5)',
      [project.users[media.user], media.title, fileUrl, media.bytes.byteLength, media.contentType],
    );
  }
}

/** Fills a project with the legacy app's media and rows; a project that has tracks already is left as it is. */
export async function seedLegacyApp(
  project: LegacyProject,
  size: { tracks: number; uploads: number; large: boolean; largest?: number },
  onProgress: (files: number, bytes: number) => void,
): Promise<{ files: number; bytes: number }> {
  const pool = new Pool({ connectionString: project.databaseUrl, max: UPLOADS_AT_ONCE });
  try {
    await ensureBucket(project);
    const { rows } = await pool.query<{ n: string }>('select count(*) n from library_tracks');
    if (Number(rows[0]?.n ?? 0) > 0) return { files: 0, bytes: 0 };
    let files = 0;
    let bytes = 0;
    const onTheWay = new Set<Promise<void>>();
    for (const media of plannedMedia({ ...size, users: project.users })) {
      const stored = store(project, pool, media).finally(() => onTheWay.delete(stored));
      onTheWay.add(stored);
      files++;
      bytes += media.bytes.byteLength;
      onProgress(files, bytes);
      if (onTheWay.size >= UPLOADS_AT_ONCE) await Promise.race(onTheWay);
    }
    await Promise.all(onTheWay);
    return { files, bytes };
  } finally {
    await pool.end();
  }
}
