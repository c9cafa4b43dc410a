/** The changes of tasks, as records have them: answers, ends, and what elevations give. */
import type { StatedChange } from '../model/changes.js';
import { isUuid, type EntityRef } from '../model/ids.js';
import type { StoredTask, TaskAnswer } from './stored-task.js';

/** The part of a task that its records are made of. */
export type RecordedTask = Pick<StoredTask, 'id' | 'user' | 'agent' | 'denial' | 'steps' | 'answers'>;

/** The decision that was denied, of a row of the table. */
export const DENIED_DECISION = `case when r.task->>'denial' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (r.task->>'denial')::uuid end`;
/** The states of a row that says as well which it was in. */
export const RECORDED_TASK_STATES = {
  before: `jsonb_build_object('state', r.state_before)`,
  after: `jsonb_build_object('state', r.state)`,
} as const;

/** A yes to a step, or the one that leaves nothing to answer, or the no. */
export function stateAnswer(task: RecordedTask, answer: TaskAnswer, at: Date): StatedChange {
  const { state, scope, denied, approved_until: until } = answer;
  const last = answer.answers.at(-1);
  const isDenied = state === 'denied';
  return {
    ...ofTask(task),
    change: state === 'pending' ? 'answered' : state,
    at,
    by: isDenied ? denied?.by : last?.by,
    terms: isDenied
      ? { note: denied?.note }
      : {
          steps: answer.answers.slice(task.answers.length).map(({ step }) => step),
          scope,
          approved_until: until,
          note: last?.note,
          details: last?.details,
        },
  };
}

/** The same no to equal tasks, each of which says which it is and which decision it is about. */
export function stateEqualDenial(task: RecordedTask, answer: TaskAnswer, at: Date): StatedChange {
  return { ...stateAnswer(task, answer, at), object: undefined, about: undefined };
}

export function stateTaskEnd(task: RecordedTask, change: string, by: StatedChange['by'], at: Date): StatedChange {
  return { ...ofTask(task), change, at, by };
}

/** The end of all tasks of a pair, each of which says which it is and how it ended. */
export function stateAllTasksEnd(
  { user, agent }: { readonly user: EntityRef; readonly agent: EntityRef },
  by: string,
  at: Date,
): StatedChange {
  return { kind: 'approval', change: 'stopped', at, by, user, agent };
}

/** The right that an elevation gives its user, or gave: Remit itself writes the relationship, and deletes it. */
export function stateElevation(
  task: RecordedTask & Pick<StoredTask, 'question' | 'approved_until'>,
  change: 'granted' | 'ended',
  at: Date,
): StatedChange {
  const { resource } = task.question;
  const step = task.steps.find(({ kind }) => kind === 'elevation');
  const terms = {
    resource: { type: resource.type, id: resource.id },
    relation: step !== undefined && 'relation' in step ? step.relation : undefined,
    ends: change === 'granted' ? task.approved_until : undefined,
  };
  return { ...ofTask(task), kind: 'elevation', change, at, by: undefined, terms, row: task.id };
}

/** An approval in an emergency is to be looked at. */
export function stateEmergencyReview(task: RecordedTask, at: Date, due: Date): StatedChange {
  const { user, agent, about } = ofTask(task);
  return { kind: 'review', change: 'asked', at, by: undefined, user, agent, about, terms: { due: due.toISOString() } };
}

function ofTask({
  id,
  user,
  agent,
  denial,
}: RecordedTask): Pick<StatedChange, 'kind' | 'object' | 'user' | 'agent' | 'about'> {
  return { kind: 'approval', object: id, user, agent, about: isUuid(denial) ? denial : undefined };
}
