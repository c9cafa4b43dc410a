/** What is wrong with one test file, collected while its cases are built. */
import { FindingCollector, type Finding, type SourceLocation } from '../../diagnostics/diagnostics.js';
import { findIdProblem } from '../../model/ids.js';

/** A part of a test file: `['tests', 0, 'who']`. */
export type Path = readonly PropertyKey[];

export class SuiteFindings {
  private readonly collector = new FindingCollector();

  /** @param locate finds the place of a part, or of the nearest one above it that is there */
  constructor(readonly locate: (path: Path) => SourceLocation) {}

  get all(): readonly Finding[] {
    return this.collector.all;
  }

  report(path: Path, message: string, suggestion?: string): void {
    this.collector.error('test-invalid', this.locate(path), message, suggestion);
  }

  /** Reports an id that can't be one. */
  checkId(path: Path, id: string): void {
    const problem = findIdProblem(id);
    if (problem !== undefined) this.report(path, `the id ${problem}`);
  }
}
