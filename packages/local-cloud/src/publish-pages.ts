/*
 * `publish-pages CONTROL_URL HOST FOLDER`: hands a built front end to the local cloud's pages, as `wrangler pages deploy`
 * does to Cloudflare's.
 */
const [controlUrl = '', host = '', folder = ''] = process.argv.slice(2);
const response = await fetch(`${controlUrl}/pages/deploy`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ host, folder }),
});
if (!response.ok) {
  console.error(`${host} could not be published: HTTP ${response.status} ${await response.text()}`);
  process.exit(1);
}
