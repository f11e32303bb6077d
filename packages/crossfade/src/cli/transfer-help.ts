/** What `crossfade copy --help` and `crossfade verify --help` say. */
export const TRANSFER_HELP = `crossfade copy FROM TO          every object of FROM is in TO, proven by its bytes; metadata is sent along
crossfade verify FROM TO        what is missing, extra or different in TO; changes nothing
crossfade verify TO --manifest FILE
                                the same against a manifest, without asking the source

FROM and TO are one of
  s3://BUCKET                   as AWS's tools read it: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
                                or AWS_PROFILE; AWS_REGION; AWS_ENDPOINT_URL_S3 for a store that is not AWS
  supabase://BUCKET             over REST, read only: SUPABASE_URL, SUPABASE_SERVICE_ROLE_KEY
  ./folder, /srv/media, file:///srv/media
  NAME                          CROSSFADE_STORE_NAME=s3://BUCKET, with _ENDPOINT, _REGION, _ACCESS_KEY_ID,
                                _SECRET_ACCESS_KEY and _SESSION_TOKEN (or _PROFILE) of its own; supabase://BUCKET with
                                _URL and _KEY; or a folder. Or a store of transfer.stores in the config
  legacy, production, staging   the config's stores; legacy-rest is legacy over REST, read only
each with a prefix behind it, as in legacy/users or s3://media/users; prefixes are whole folders of keys.
Credentials come from the environment, the file of --env or the config, never from the command line.

Both
  --include GLOB, --exclude GLOB   which keys, may be said again: 'users/**', '*.wav' (in any folder)
  --prefix TEXT                 only keys that begin so, below the location
  --concurrency N               objects at once, at most (default: the config's, or auto: as many as both stores bear)
  --manifest FILE               writes one JSON line for each proven object
  --report FILE                 all that is not as it should be, one JSON line each
                                (default: in .crossfade/transfer, when there is any)
  --json, --env FILE, --config FILE
  --requests N                  requests a second to each store at most; listings and repetitions count
  --egress-limit SIZE           bytes of FROM's objects that are read in all at most: 500M, 200G. When it is reached the
                                command ends with 1, and goes on when it is run with another one, or without
  --limits FILE                 JSON with bytesPerSecond, requestsPerSecond, egressBytes (null for none); counts before
                                the options, may be changed while the command runs, and need not be there
copy
  --bandwidth RATE              bytes a second at most: 500K, 10M, 1G
  --dry-run                     prints the calls that would put the objects, makes none
  --until-caught-up             copies on until TO is at most --max-lag SECONDS behind what changes in FROM
                                (default: transfer.maxLagSeconds, or 30)
  --shared                      with every crossfade worker on the same DATABASE_URL (without one: on this machine);
                                run again, it joins the copy that is under way. Takes the options above, but --report,
                                and none of copy's other ones
  --no-verify                   does not prove the target afterwards
verify
  --deep                        reads both sides, whatever checksums they name
  --repair                      copies again what is missing or different, and verifies it again; deletes nothing

Nothing is deleted anywhere. Ctrl-C ends in order; run again, a command goes on with what is still missing.
Exit codes: 0 done and all proven, 1 something is missing, different or failed, 2 the command or config is wrong,
4 a store could not be reached, 130 interrupted
`;
