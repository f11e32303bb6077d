import { parseArgs, type ParseArgsConfig } from 'node:util';

type Described = NonNullable<ParseArgsConfig['options']>;
type Values<Options extends Described> = ReturnType<typeof parseArgs<{ options: Options }>>['values'];

const HELP = { help: { type: 'boolean', short: 'h' } } as const;

/**
 * The options of a script that a person starts. `--help` prints the usage line and ends the process with 0; what is no
 * option of it ends it with 2 and one line that says so and how it is used.
 */
export function readOptions<const Options extends Described>(usage: string, options: Options): Values<Options> {
  try {
    const { values } = parseArgs({ options: { ...options, ...HELP } });
    if (!('help' in values)) return values as Values<Options>;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('ERR_PARSE_ARGS_') !== true) throw error;
    // What Node says behind it is advice for another case.
    process.stderr.write(`${message.split(/\.\s|\n/)[0]}; ${usage}\n`);
    process.exit(2);
  }
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}
