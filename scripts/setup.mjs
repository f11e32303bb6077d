// Makes this checkout ready and runs one of its files. No dependency of its own: it is what runs first on a bare
// machine, on whatever Node is there.
//   node scripts/setup.mjs [--quiet] [--run FILE [argument …]]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findChromium, HOW_TO_GET_CHROMIUM } from './find-chromium.mjs';
import { NODE_ENVIRONMENT, NODE_FLAGS } from './node-flags.mjs';

/** This file itself. */
const OLDEST_FOR_SETUP = [18, 0];
/** Runs TypeScript as it is. */
const OLDEST_FOR_CROSSFADE = [22, 18];
const INTERRUPTED = 130;
const USAGE = 2;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const binaries = join(root, 'node_modules', '.bin');
const stamp = join(root, 'node_modules', '.installed-from');

const argv = process.argv.slice(2);
const quiet = argv[0] === '--quiet';
if (quiet) argv.shift();
const say = (line) => (quiet ? undefined : process.stderr.write(`setup: ${line}\n`));

function giveUp(message, code = 1) {
  process.stderr.write(`setup: ${message}\n`);
  process.exit(code);
}

const isAtLeast = (version, [major, minor]) => {
  const [ownMajor = 0, ownMinor = 0] = version.replace('v', '').split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
};

/** What an installation depends on: the lockfile, and the machine that native packages were chosen for. */
function installedFrom() {
  const lockfile = readFileSync(join(root, 'package-lock.json'));
  return createHash('sha256').update(lockfile).update(`${process.platform} ${process.arch}`).digest('hex');
}

function install() {
  const wanted = installedFrom();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say(`installing the packages that package-lock.json names (once, under a minute) …`);
  const start = performance.now();
  // A half-made installation must not look like a whole one.
  rmSync(stamp, { force: true });
  const options = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const done =
    npm === undefined
      ? spawnSync('npm', options, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
      : spawnSync(process.execPath, [npm, ...options], { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.error !== undefined) giveUp(`npm could not be run: ${done.error.message}`);
  if (done.signal !== null) process.exit(INTERRUPTED);
  if (done.status !== 0) giveUp('npm ci failed: its own message above says why; mend that, then run the same again');
  writeFileSync(stamp, wanted);
  say(`packages installed in ${Math.round((performance.now() - start) / 1000)} s`);
}

/** The Node that came with the packages, or this one. */
function chooseNode() {
  const bundled = join(binaries, 'node');
  if (existsSync(bundled)) return bundled;
  if (isAtLeast(process.version, OLDEST_FOR_CROSSFADE)) return process.execPath;
  return giveUp(
    `Node ${OLDEST_FOR_CROSSFADE.join('.')} or newer is needed, this is ${process.version}: https://nodejs.org/en/download`,
    USAGE,
  );
}

function run(node, [file, ...rest], chromium) {
  const env = { ...NODE_ENVIRONMENT, ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH ?? ''}` };
  if (chromium !== null) env.CROSSFADE_CHROMIUM = chromium;
  const child = spawn(node, ['--disable-warning=DeprecationWarning', ...NODE_FLAGS, join(root, file), ...rest], {
    cwd: root,
    stdio: 'inherit',
    env,
  });
  // The child ends what it started before it ends itself: whoever waits for this process waits for that.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => giveUp(`${node} could not be run: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

if (!isAtLeast(process.version, OLDEST_FOR_SETUP)) {
  giveUp(`Node ${process.version} is too old even for the setup: https://nodejs.org/en/download`, USAGE);
}
install();
const node = chooseNode();
const chromium = findChromium({ install: true, say });
if (chromium === null) say(HOW_TO_GET_CHROMIUM);
else say(`Node ${spawnSync(node, ['--version']).stdout.toString().trim()}, Chromium at ${chromium}`);
const [flag, ...command] = argv;
if (flag === '--run' && command.length > 0) run(node, command, chromium);
else if (flag !== undefined) giveUp(`unknown argument ${flag}; there are --quiet and --run FILE`, USAGE);
