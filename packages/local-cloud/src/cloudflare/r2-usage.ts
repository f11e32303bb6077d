/**
 * Answers what a bucket holds, page by page, from inside workerd: the objects' bytes are not read. With rules it
 * deletes what they let expire at a given time and answers with the keys.
 */
export const USAGE_WORKER = `export default { async fetch(request, env) {
  const bucket = env[new URL(request.url).searchParams.get('binding')];
  if (request.method === 'POST') {
    const { rules, now } = await request.json();
    const expired = [];
    for (const { prefix, maxAgeSeconds } of rules) {
      let cursor;
      do {
        const page = await bucket.list({ prefix, cursor, limit: 1000 });
        for (const { key, uploaded } of page.objects) if (uploaded.getTime() + maxAgeSeconds * 1000 <= now) expired.push(key);
        cursor = page.truncated ? page.cursor : undefined;
      } while (cursor !== undefined);
    }
    for (let i = 0; i < expired.length; i += 1000) await bucket.delete(expired.slice(i, i + 1000));
    return Response.json({ expired });
  }
  let objects = 0, payloadBytes = 0, metadataBytes = 0, cursor;
  do {
    const page = await bucket.list({ cursor, limit: 1000 });
    for (const object of page.objects) { objects++; payloadBytes += object.size; metadataBytes += object.key.length; }
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return Response.json({ objects, payloadBytes, metadataBytes });
} }`;
