/*
 * `publish-pages CONTROL_URL HOST FOLDER`: hands a built front end to the local cloud's pages, as `wrangler pages deploy`
 * does to Cloudflare's. `--restore` instead of a folder brings back the deployment from before.
 */
const [controlUrl = '', host = '', folder = ''] = process.argv.slice(2);
const restore = folder === '--restore';
const response = await fetch(`${controlUrl}/pages/${restore ? 'restore' : 'deploy'}`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(restore ? { host } : { host, folder }),
});
if (!response.ok) {
  console.error(`${host} could not be published: HTTP ${response.status} ${await response.text()}`);
  process.exit(1);
}
