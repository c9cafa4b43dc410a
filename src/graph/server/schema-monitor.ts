/** Watches whether the schema of a SpiceDB server is still the file's: others can change it while Remit runs. */
import { Fault } from '../../model/faults.js';
import type { ServerSchemaDifference } from './schema-diff.js';

export class SchemaMonitor {
  /** The schema that was compared last, in SpiceDB's own format. */
  private comparedText: string | undefined;
  private mismatch: string | undefined;

  /**
   * @param origin names the server and the file, for the log
   * @param log takes a line for the operator
   */
  constructor(
    private readonly origin: { readonly endpoint: string; readonly file: string },
    private readonly log: (line: string) => void,
  ) {}

  /** The fault for which nothing can be decided; undefined while the schema fits. */
  get fault(): Fault | undefined {
    return this.mismatch === undefined ? undefined : new Fault('schema_differs', this.mismatch);
  }

  /**
   * @param schemaText SpiceDB's schema now
   * @param compare called only where that is another than before; while it fails, the schema counts as another
   * @returns whether it fits
   */
  async compareSchema(schemaText: string, compare: () => Promise<readonly ServerSchemaDifference[]>): Promise<boolean> {
    if (schemaText === this.comparedText) return this.mismatch === undefined;
    const differences = await compare().catch((): undefined => undefined);
    this.comparedText = differences === undefined ? undefined : schemaText;
    const { endpoint, file } = this.origin;
    const mismatch =
      differences === undefined
        ? 'what differs is not known yet'
        : summarizeDifferences(differences.filter(({ harmless }) => !harmless));
    if (mismatch !== this.mismatch)
      this.log(
        mismatch === undefined
          ? `the schema of SpiceDB at ${endpoint} is that of ${file} again`
          : `the schema of SpiceDB at ${endpoint} is no longer that of ${file}, and nothing is decided until it is: ${mismatch}`,
      );
    const extra = summarizeDifferences(differences?.filter(({ harmless }) => harmless) ?? []);
    if (extra !== undefined)
      this.log(`SpiceDB at ${endpoint} has more than ${file}, which changes no decision: ${extra}`);
    this.mismatch = mismatch;
    return mismatch === undefined;
  }
}

/** The first five and the number of the others; undefined where there are none. */
export function summarizeDifferences(differences: readonly ServerSchemaDifference[]): string | undefined {
  if (differences.length === 0) return undefined;
  const firstFew = differences
    .slice(0, 5)
    .map(({ text }) => text)
    .join('; ');
  return differences.length > 5 ? `${firstFew}; and ${differences.length - 5} more` : firstFew;
}
