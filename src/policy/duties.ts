/**
 * Duties: reads `@duty("mask:pii, notification:owner")` and unites the duties that apply into obligations. Each kind is
 * one entry of the registry below.
 */
import type { Problem } from '../diagnostics/diagnostics.js';
import { suggestNearest } from '../diagnostics/suggest.js';
import {
  findFieldProblem,
  formatMask,
  formatVisibleFields,
  isMaskMode,
  isSameOrNestedField,
  listedMaskMode,
  MASK_MODES,
  resolveFields,
  strictestMaskMode,
  stringList,
  type MaskMode,
} from './duty-fields.js';
import { OBLIGATION_TYPES, type Obligation, type ObligationType } from '../model/obligations.js';
import { trimBlanks } from '../runtime/trim-blanks.js';
import type { EntityType } from './schema/action.js';

/** A duty that no client carries out, and that none is told of: people look at what was allowed (`review:<permission>`). */
const REVIEW_DUTY = 'review';
const DUTY_NAMES = [...OBLIGATION_TYPES, REVIEW_DUTY] as const;

/** One entry of a `@duty` annotation. */
export interface Duty {
  readonly kind: (typeof DUTY_NAMES)[number];
  readonly argument: string;
}

interface DutyKind {
  /** Finds the reason that the argument doesn't fit a resource type; undefined where it does. */
  problem(argument: string, resource: EntityType): Problem | undefined;
  /**
   * Unites all duties of this kind that apply; undefined where there is nothing to do.
   * @param argumentLists a list for each policy that has such a duty
   */
  unite(argumentLists: readonly (readonly string[])[], resource: EntityType): ObligationProperties | undefined;
  /** Whether its obligations say on which occasion they are due. */
  readonly namesOccasion?: true;
  /**
   * Lists what is required of a client beyond an obligation that it meets.
   * @param properties undefined where it meets none of this kind
   */
  listGaps(properties: ObligationProperties | undefined, required: ObligationProperties): DutyGap[];
}

/** A part of an obligation that others don't cover. */
export interface DutyGap {
  /** The part as `@duty` writes it: `mask:ssn`. */
  readonly duty: string;
  /** The weaker duty that there is in its place; absent where there is none. */
  readonly instead?: string;
}

type ObligationProperties = Obligation['properties'];

/** The subject of a notification: `topic` is the same for every such request, `body` is a sentence for people. */
export interface Occasion {
  readonly topic: string;
  readonly body: string;
}

const DUTY_KINDS = {
  /** `mask:<class or attribute>[=<mode>]`: these fields must not be shown, or not as they are. */
  mask: {
    problem: (argument, resource) => {
      const [target = '', mode] = argument.split('=');
      if (mode !== undefined && !isMaskMode(mode))
        return {
          message: `"${mode}" is no way to mask: ${MASK_MODES.join(', ')}`,
          suggestion: suggestNearest(mode, MASK_MODES),
        };
      return findFieldProblem(target, resource);
    },
    unite: (argumentLists, resource) => {
      const modes = new Map<string, MaskMode>();
      for (const argument of argumentLists.flat()) {
        const [fieldOrClass = '', modeText] = argument.split('=');
        const mode = modeText !== undefined && isMaskMode(modeText) ? modeText : 'remove';
        for (const field of resolveFields(fieldOrClass, resource)) {
          const earlierMode = modes.get(field);
          if (earlierMode === undefined || MASK_MODES.indexOf(mode) < MASK_MODES.indexOf(earlierMode))
            modes.set(field, mode);
        }
      }
      const fields = [...modes.keys()].sort();
      const otherFields = fields.filter((field) => modes.get(field) !== 'remove');
      if (fields.length === 0) return undefined;
      // A field without a mode is removed.
      return otherFields.length === 0
        ? { fields }
        : { fields, modes: Object.fromEntries(otherFields.map((f) => [f, modes.get(f)])) };
    },
    listGaps: (properties, required) =>
      stringList(required, 'fields').flatMap((field) => {
        const requiredMode = listedMaskMode(required, field);
        const mode = strictestMaskMode(properties, field);
        if (mode !== undefined && MASK_MODES.indexOf(mode) <= MASK_MODES.indexOf(requiredMode)) return [];
        const duty = formatMask(field, requiredMode);
        return [mode === undefined ? { duty } : { duty, instead: formatMask(field, mode) }];
      }),
  },
  /**
   * `visible_fields:<class or attribute>`: these and no others may be shown. One policy's several are shown together; of
   * several policies what all of them show.
   */
  visible_fields: {
    problem: findFieldProblem,
    unite: (argumentLists, resource) => {
      const lists = argumentLists.map((arguments_) =>
        arguments_.flatMap((argument) => resolveFields(argument, resource)),
      );
      const visible = [...new Set(lists.flat())].filter((field) => lists.every((list) => list.some((listedField) => isSameOrNestedField(field, listedField)))); // prettier-ignore
      return {
        fields: visible.filter((field) => !visible.some((of) => of !== field && isSameOrNestedField(field, of))).sort(),
      };
    },
    listGaps: (properties, required) => {
      const duty = formatVisibleFields(required);
      if (properties === undefined) return [{ duty }];
      const isWider = stringList(properties, 'fields').some(
        (field) => !stringList(required, 'fields').some((of) => isSameOrNestedField(field, of)),
      );
      return isWider ? [{ duty, instead: formatVisibleFields(properties) }] : [];
    },
  },
  /** `notification:<recipient>`: the client notifies them. */
  notification: {
    problem: (argument) =>
      /^[\w.@:/-]{1,128}$/.test(argument) ? undefined : { message: `"${argument}" is not the name of a recipient` },
    unite: (lists) => ({ to: [...new Set(lists.flat())].sort() }),
    namesOccasion: true,
    listGaps: (properties, required) =>
      stringList(required, 'to')
        .filter((recipient) => !stringList(properties, 'to').includes(recipient))
        .map((recipient) => ({ duty: `notification:${recipient}` })),
  },
} satisfies Record<ObligationType, DutyKind> as Record<ObligationType, DutyKind>;

/** Kinds of duties that had another name before: an error says the new one. */
const RENAMED: ReadonlyMap<string, ObligationType> = new Map([['notify', 'notification']]);

/** @param report receives what is wrong with an entry, which is then left out */
export function parseDuties(text: string, report: (problem: Problem) => void): Duty[] {
  return text.split(',').flatMap((part) => {
    const [kind = '', ...rest] = trimBlanks(part).split(':');
    const argument = trimBlanks(rest.join(':'));
    if (isDutyName(kind) && argument !== '') return [{ kind, argument }];
    const renamed = RENAMED.get(kind);
    report(
      renamed !== undefined
        ? { message: `@duty "${kind}" is now called "${renamed}"`, suggestion: `did you mean "${renamed}"?` }
        : isDutyName(kind)
          ? {
              message: `@duty "${kind}" needs an argument, as in "${kind === REVIEW_DUTY ? 'review:audit' : 'mask:pii'}"`,
            }
          : {
              message: `@duty "${trimBlanks(part)}" is of no known kind: ${DUTY_NAMES.join(', ')}`,
              suggestion: suggestNearest(kind, DUTY_NAMES),
            },
    );
    return [];
  });
}

/** Finds the reason that a duty fits none of the resource types that it can apply to; undefined where it fits one. */
export function findDutyProblem({ kind, argument }: Duty, resources: readonly EntityType[]): Problem | undefined {
  if (kind === REVIEW_DUTY) return undefined;
  const problems = resources.map((resource) => DUTY_KINDS[kind].problem(argument, resource));
  return problems.includes(undefined) ? undefined : problems[0];
}

/**
 * Unites the duties that apply into obligations: one of each kind, in a fixed order.
 * @param duties a list for each policy
 */
export function uniteDuties(duties: readonly (readonly Duty[])[], resource: EntityType): readonly Obligation[] {
  const united = OBLIGATION_TYPES.flatMap((type): Obligation[] => {
    const argumentLists = duties.map((of) => of.filter((d) => d.kind === type).map((d) => d.argument));
    const nonEmptyLists = argumentLists.filter((of) => of.length > 0);
    const properties = nonEmptyLists.length === 0 ? undefined : DUTY_KINDS[type].unite(nonEmptyLists, resource);
    return properties === undefined ? [] : [{ id: type, type, properties }];
  });
  return united.map((obligation) =>
    obligation.type === 'visible_fields' ? hideRemovedFields(obligation, united) : obligation,
  );
}

/** The obligations, of which those that tell people about a request say which. */
export function withOccasion(obligations: readonly Obligation[], occasion: () => Occasion): readonly Obligation[] {
  if (!obligations.some(({ type }) => DUTY_KINDS[type].namesOccasion)) return obligations;
  return obligations.map((obligation) =>
    DUTY_KINDS[obligation.type].namesOccasion
      ? { ...obligation, properties: { ...obligation.properties, ...occasion() } }
      : obligation,
  );
}

/** Lists what is required of a client that meets the obligations beyond them; empty where there is as much to do, or more. */
export function listDutyGaps(obligations: readonly Obligation[], required: readonly Obligation[]): DutyGap[] {
  return required.flatMap(({ type, properties }) => {
    // There is one of each type at most.
    const present = obligations.find((obligation) => obligation.type === type);
    return DUTY_KINDS[type].listGaps(present?.properties, properties);
  });
}

/** Takes the fields that a mask removes from those that are visible. */
function hideRemovedFields(visible: Obligation, all: readonly Obligation[]): Obligation {
  const { fields = [], modes = {} } = (all.find(({ type }) => type === 'mask')?.properties ?? {}) as {
    readonly fields?: readonly string[];
    readonly modes?: Readonly<Record<string, MaskMode>>;
  };
  const removed = fields.filter((field) => !Object.hasOwn(modes, field));
  const visibleFields = (visible.properties['fields'] as readonly string[]).filter(
    (field) => !removed.some((of) => isSameOrNestedField(field, of)),
  );
  return { ...visible, properties: { fields: visibleFields } };
}

function isDutyName(kind: string): kind is Duty['kind'] {
  return DUTY_NAMES.some((name) => name === kind);
}

/** The permissions whose holders review what the duties apply to. */
export function listReviewPermissions(duties: readonly Duty[]): string[] {
  return [...new Set(duties.flatMap(({ kind, argument }) => (kind === REVIEW_DUTY ? [argument] : [])))];
}

/** Whether any of the duties is one that clients carry out. */
export function hasClientDuty(duties: readonly Duty[]): boolean {
  return duties.some(({ kind }) => kind !== REVIEW_DUTY);
}
