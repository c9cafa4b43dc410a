/** Collects the findings about one test file while its cases are built. */
import { FindingCollector, type Finding, type SourceLocation } from '../../diagnostics/diagnostics.js';
import { findIdProblem } from '../../model/ids.js';

/** The path of a value in a test file, such as `['tests', 0, 'who']`. */
export type Path = readonly PropertyKey[];

export class SuiteFindings {
  private readonly collector = new FindingCollector();

  /** @param locate finds the place of a value, or of the nearest one above it that exists */
  constructor(readonly locate: (path: Path) => SourceLocation) {}

  get all(): readonly Finding[] {
    return this.collector.all;
  }

  report(path: Path, message: string, suggestion?: string): void {
    this.reportAt(this.locate(path), message, suggestion);
  }

  reportAt(place: SourceLocation, message: string, suggestion?: string): void {
    this.collector.error('test-invalid', place, message, suggestion);
  }

  /** Reports a text that can't be an id. */
  checkId(path: Path, id: string): void {
    const problem = findIdProblem(id);
    if (problem !== undefined) this.report(path, `the id ${problem}`);
  }
}
