/**
 * Reads the questions that members of `context.history` stand for: the text of `@count`, `@sum`, `@happened` and `@since`.
 * It knows the grammar alone; history.ts holds what a question names against the schema.
 */
import type { Problem } from '../../diagnostics/diagnostics.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import {
  HISTORY_SUBJECTS,
  type EventCondition,
  type EventSelector,
  type HistoryKind,
  type HistoryQuestion,
  type HistorySubject,
} from '../../model/history.js';
import { MAX_DECIMALS, UNIT_FORMAT } from '../../model/quantities.js';
import { parseDuration } from '../../runtime/duration.js';

/** A question of each kind as it is written. */
const EXAMPLES: Readonly<Record<HistoryKind, string>> = {
  count: 'HR::export by user within PT1H',
  sum: 'Pay::transfer amount EUR 2 by user, agent within P1D',
  happened: 'Doc::read by user, agent within PT8H where resource.class == secret',
  since: 'Doc::read where resource.class == secret, no Session::cleared after, by user, agent within PT8H',
};

/** Words, texts in quotation marks, and the signs between them. A name may have its last part in quotation marks. */
const HISTORY_TOKEN = /(?:[^\s,="]|"[^"]*")+|==|,|[="]/g;
const ATTRIBUTE = /^resource((?:\.[A-Za-z_][A-Za-z0-9_]*)+)$/;
const NAME = /^(?:[A-Za-z_][A-Za-z0-9_]*::)*(?:[A-Za-z_][A-Za-z0-9_]*|"[^"]+")$/;
const PLAIN_WORD = /^[A-Za-z0-9_.:@/-]+$/;
const CLAUSES = ['by', 'within', 'where'];

export type HistoryTextReading = { readonly question: HistoryQuestion } | { readonly problem: Problem };

export function readHistoryText(kind: HistoryKind, text: string): HistoryTextReading {
  try {
    return { question: new HistoryTextReader(kind, text).read() };
  } catch (error) {
    if (error instanceof HistoryTextError) return { problem: error.problem };
    throw error;
  }
}

/** The events and the parties that they are counted for, in one form however they are written. */
export function formatCounted(events: EventSelector, by: readonly HistorySubject[]): string {
  return `${formatSelector(events)}${by.length === 0 ? '' : ` by ${by.join(', ')}`}`;
}

function formatSelector({ action, where }: EventSelector): string {
  const name = NAME.test(action) ? action : JSON.stringify(action);
  return where === undefined ? name : `${name} where resource.${where.path.join('.')} == ${formatValue(where.value)}`;
}

function formatValue(value: string): string {
  return PLAIN_WORD.test(value) ? value : `"${value}"`;
}

class HistoryTextError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}

class HistoryTextReader {
  private readonly tokens: readonly string[];
  private position = 0;
  private by: readonly HistorySubject[] | undefined;
  private within: { readonly text: string; readonly milliseconds: number } | undefined;
  private where: EventCondition | undefined;
  private cleared: EventSelector | undefined;

  constructor(
    private readonly kind: HistoryKind,
    text: string,
  ) {
    this.tokens = text.match(HISTORY_TOKEN) ?? [];
  }

  read(): HistoryQuestion {
    const { kind } = this;
    const action = this.readAction();
    const amount = kind === 'sum' ? this.readAmount() : undefined;
    this.skip('allowed');
    while (this.word !== undefined) this.readClause();
    const { by = [], within, cleared } = this;
    if (within === undefined) this.fail('names no window, such as "within PT1H"');
    if (kind === 'since' && cleared === undefined)
      this.fail('names nothing that ends it, such as ", no Session::cleared after"');
    const events = { action, where: this.where };
    const parts = [
      kind,
      formatSelector(events),
      ...(amount === undefined ? [] : [`amount ${amount.unit} ${amount.decimals}`]),
      ...(cleared === undefined ? [] : [`no ${formatSelector(cleared)} after`]),
      ...(by.length === 0 ? [] : [`by ${by.join(', ')}`]),
      `within ${within.text}`,
    ];
    return { kind, events, cleared, amount, by, windowMs: within.milliseconds, text: parts.join(' ') };
  }

  private get word(): string | undefined {
    return this.tokens[this.position];
  }

  private next(expected: string): string {
    const { word } = this;
    if (word === undefined) this.fail(`ends where ${expected} is expected`);
    this.position += 1;
    return word;
  }

  private skip(word: string): boolean {
    if (this.word !== word) return false;
    this.position += 1;
    return true;
  }

  private readClause(): void {
    const comma = this.skip(',');
    if (comma && this.kind === 'since' && this.skip('no')) {
      this.readCleared();
      return;
    }
    const word = this.next('"by", "within" or "where"');
    switch (word) {
      case 'by':
        this.by = this.once(word, this.by, () => this.readSubjects());
        return;
      case 'within':
        this.within = this.once(word, this.within, () => this.readWindow());
        return;
      case 'where':
        this.where = this.once(word, this.where, () => this.readCondition());
        return;
      default:
        this.fail(`has "${word}" where "by", "within" or "where" is expected`, suggestNearest(word, CLAUSES));
    }
  }

  private once<T>(clause: string, former: T | undefined, read: () => T): T {
    if (former !== undefined) this.fail(`has "${clause}" twice`);
    return read();
  }

  private readAction(): string {
    const name = this.next('an action');
    if (!NAME.test(name)) this.fail(`has "${name}" where an action such as HR::export is expected`);
    return name.replaceAll('"', '');
  }

  private readAmount(): NonNullable<HistoryQuestion['amount']> {
    if (!this.skip('amount')) this.fail('names no amount, such as "amount EUR 2"');
    const unit = this.next('a unit');
    const decimals = this.next('the number of decimals');
    if (!UNIT_FORMAT.test(unit)) this.fail(`has "${unit}" where a unit such as EUR is expected`);
    if (!/^\d{1,2}$/.test(decimals) || Number(decimals) > MAX_DECIMALS)
      this.fail(`has "${decimals}" where a number of decimals from 0 to ${MAX_DECIMALS} is expected`);
    return { unit, decimals: Number(decimals) };
  }

  private readSubjects(): HistorySubject[] {
    const named: HistorySubject[] = [];
    do {
      const word = this.next('a party');
      const subject = HISTORY_SUBJECTS.find((known) => known === word);
      if (subject === undefined)
        this.fail(
          `counts by "${word}", which is none of ${HISTORY_SUBJECTS.join(', ')}`,
          suggestNearest(word, HISTORY_SUBJECTS),
        );
      if (named.includes(subject)) this.fail(`counts by ${subject} twice`);
      named.push(subject);
    } while (!this.isBeforeClause() && this.skip(','));
    return HISTORY_SUBJECTS.filter((subject) => named.includes(subject));
  }

  /** Whether a comma comes next that belongs to what follows it. */
  private isBeforeClause(): boolean {
    return this.word === ',' && ['no', ...CLAUSES].includes(this.tokens[this.position + 1] ?? '');
  }

  private readWindow(): { text: string; milliseconds: number } {
    const text = this.next('a duration');
    const milliseconds = parseDuration(text);
    if (milliseconds === undefined) this.fail(`is within "${text}", which is no duration such as PT1H or P1D`);
    if (milliseconds < 1000) this.fail(`is within ${text}: the shortest window is PT1S`);
    return { text, milliseconds };
  }

  private readCondition(): EventCondition {
    const attribute = this.next('an attribute of the resource');
    const path = ATTRIBUTE.exec(attribute)?.[1]?.slice(1).split('.');
    if (path === undefined)
      this.fail(
        `has "${attribute}" where an attribute such as resource.class is expected: nothing else can be asked for`,
      );
    const sign = this.next('"=="');
    if (sign !== '==') this.fail(`compares by "${sign}": an attribute is compared by "=="`);
    const value = this.next('a value');
    const text = /^"([^"]*)"$/.exec(value)?.[1] ?? value;
    if (text === value && !PLAIN_WORD.test(value)) this.fail(`has "${value}" where a value is expected`);
    return { path, value: text };
  }

  private readCleared(): void {
    if (this.cleared !== undefined) this.fail('has "no" twice');
    const action = this.readAction();
    const where = this.skip('where') ? this.readCondition() : undefined;
    const word = this.next('"after"');
    if (word !== 'after') this.fail(`has "${word}" where "after" is expected`);
    this.cleared = { action, where };
  }

  private fail(message: string, suggestion?: string): never {
    throw new HistoryTextError({
      message: `${message}; one is written "${EXAMPLES[this.kind]}"`,
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  }
}
