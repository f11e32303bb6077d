import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const SYSTEM = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** Browsers that Playwright downloaded for another project. */
function playwrights() {
  const caches = [join(homedir(), '.cache/ms-playwright'), join(homedir(), 'Library/Caches/ms-playwright')];
  return caches.flatMap((cache) =>
    (existsSync(cache) ? readdirSync(cache) : [])
      .filter((name) => name.startsWith('chromium-'))
      .flatMap((name) =>
        ['chrome-linux64/chrome', 'chrome-linux/chrome', 'chrome-mac/Chromium.app/Contents/MacOS/Chromium'].map(
          (path) => join(cache, name, path),
        ),
      ),
  );
}

function starts(path) {
  try {
    execFileSync(path, ['--version'], { stdio: 'ignore', timeout: 20_000 });
    return true;
  } catch {
    // Not there, or not for this machine: the next one may be.
    return false;
  }
}

function isDebian() {
  return (
    existsSync('/etc/os-release') && /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'))
  );
}

/**
 * A Chromium that starts: an environment variable's, the system's, Playwright's. With `install`, root on Debian
 * gets the package. `null` when there is none; the caller says how to get one.
 */
export function findChromium({ install = false, say = () => {} } = {}) {
  const named = process.env.CROSSFADE_CHROMIUM ?? process.env.CHROME_PATH;
  if (named !== undefined && named !== '') return starts(named) ? named : null;
  const found = [...SYSTEM, ...playwrights()].find((path) => existsSync(path) && starts(path));
  if (found !== undefined) return found;
  if (!install || process.getuid?.() !== 0 || !isDebian()) return null;
  say('installing Chromium from the system’s packages (once, about 20 s) …');
  const apt = (...args) =>
    execFileSync('apt-get', args, {
      stdio: 'ignore',
      timeout: 300_000,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  const get = () => apt('install', '-y', '--no-install-recommends', 'chromium');
  try {
    get();
  } catch {
    try {
      // The list of packages may be missing or old.
      apt('update');
      get();
    } catch {
      return null;
    }
  }
  return SYSTEM.find((path) => existsSync(path) && starts(path)) ?? null;
}

export const HOW_TO_GET_CHROMIUM =
  'no Chromium was found: install one (Debian: apt-get install chromium) or set CROSSFADE_CHROMIUM to its path; without it the browser checks are skipped';
