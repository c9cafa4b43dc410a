/**
 * Runs Cedar, by cedar-wasm. This is the only module that imports it, because three of its traps must be met in one place.
 *
 * 1. On Node 20 and 22, V8 aborts the process when optimised code that inlined a wasm call is deoptimised during the
 *    call; the flag below stops the inlining and costs nothing.
 * 2. Every JavaScript exception that leaves the instance leaks stack until the instance is dead for good, and some
 *    texts kill it at once. So after any throw the instance is replaced and its policy sets are prepared again.
 * 3. Candidates (schemas and policies not yet in force) are read by an instance of their own: see {@link CedarEngine}.
 */
import { createRequire } from 'node:module';
import v8 from 'node:v8';
import type { DetailedError, Entities, PolicyJson, SchemaJson, Context } from '@cedar-policy/cedar-wasm/nodejs';
import type * as CedarModule from '@cedar-policy/cedar-wasm/nodejs';
import { Fault } from '../model/faults.js';
import type { EntityUid } from './schema/uid.js';

v8.setFlagsFromString('--no-turbo-inline-js-wasm-calls');

type CedarWasm = typeof CedarModule;

const require = createRequire(import.meta.url);
const CEDAR_MODULE = require.resolve('@cedar-policy/cedar-wasm/nodejs');

/** A new WebAssembly instance, 1 to 2 MB, with no policies. */
function instantiate(): CedarWasm {
  Reflect.deleteProperty(require.cache, CEDAR_MODULE);
  // Through a parent of its own: a shared one would hold on to every instance there ever was.
  return createRequire(import.meta.url)(CEDAR_MODULE) as CedarWasm;
}

export interface CedarRequest {
  readonly principal: EntityUid;
  readonly action: EntityUid;
  readonly resource: EntityUid;
  readonly context: Context;
  readonly entities: Entities;
}

export interface CedarAnswer {
  readonly decision: 'allow' | 'deny';
  /** Ids of the policies that made the decision, sorted. */
  readonly determining: readonly string[];
  /** Policies that could not be evaluated. Cedar skips them; a decision must not. */
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
}

/** Policies by id, as text or as Cedar's JSON. */
export type PolicySet = Readonly<Record<string, string | PolicyJson>>;

/** An error or a warning of Cedar about a text. */
export interface CedarDiagnostic {
  readonly message: string;
  /** A suggestion: "did you mean `x`?". */
  readonly help?: string | undefined;
  /** The place in bytes of the text's UTF-8; undefined where Cedar doesn't say. */
  readonly offset?: number | undefined;
}

/** A diagnostic about one policy of a set. */
export interface PolicyDiagnostic extends CedarDiagnostic {
  readonly policy: string;
  /** Whether Cedar only warns, of a policy that can never apply. */
  readonly warning: boolean;
}

/** A result of reading; without a value there is at least one diagnostic. */
export interface CedarResult<T> {
  readonly value?: T;
  readonly diagnostics: readonly CedarDiagnostic[];
}

/**
 * One Cedar instance. Use one for reading candidates and drop it; use another for deciding, with
 * {@link define} and {@link authorize}. Calls are synchronous.
 */
export class CedarEngine {
  private cedar = instantiate();
  private readonly sets = new Map<string, PolicySet>();
  private prepared = new Set<string>();
  private replacements = 0;

  /** Counts how often the instance had to be replaced: for metrics and tests. */
  get replacementCount(): number {
    return this.replacements;
  }

  /** Reads one policy, which must not be a template. */
  parsePolicy(text: string): CedarResult<PolicyJson> {
    return this.readSafely((cedar) => {
      const answer = cedar.policyToJson(text);
      return answer.type === 'success' ? { value: answer.json, diagnostics: [] } : failed(answer.errors);
    });
  }

  /** Cuts a text into the texts of its policies, as Cedar itself does, in no order. */
  splitPolicySet(text: string): CedarResult<readonly string[]> {
    return this.readSafely((cedar) => {
      const answer = cedar.policySetTextToParts(text);
      return answer.type === 'success' ? { value: answer.policies, diagnostics: [] } : failed(answer.errors);
    });
  }

  /** Reads a schema and resolves its types; a warning of Cedar's counts as an error. */
  parseSchema(text: string): CedarResult<SchemaJson<string>> {
    return this.readSafely((cedar) => {
      const answer = cedar.schemaToJsonWithResolvedTypes(text);
      if (answer.type === 'failure') return failed(answer.errors);
      return answer.warnings.length > 0 ? failed(answer.warnings) : { value: answer.json, diagnostics: [] };
    });
  }

  /** Validates policies strictly, by id. Warnings about a policy that has errors are left out: they follow from them. */
  validate(schema: string, policies: PolicySet): CedarResult<readonly PolicyDiagnostic[]> {
    return this.readSafely((cedar) => {
      const answer = cedar.validate({ schema, policies: { staticPolicies: { ...policies } } });
      if (answer.type === 'failure') return failed(answer.errors);
      const invalidPolicies = new Set(answer.validationErrors.map((e) => e.policyId));
      const problems = [
        ...answer.validationErrors.map((e) => ({ ...e, warning: false })),
        ...answer.validationWarnings
          .filter((w) => !invalidPolicies.has(w.policyId))
          .map((w) => ({ ...w, warning: true })),
      ];
      return {
        value: problems.flatMap(({ policyId, error, warning }) =>
          toDiagnostics([error]).map((diagnostic) => ({ ...diagnostic, policy: policyId, warning })),
        ),
        diagnostics: [],
      };
    });
  }

  /** Writes a policy in Cedar's JSON as text, in one line. */
  policyText(policy: PolicyJson): CedarResult<string> {
    return this.readSafely((cedar) => {
      const answer = cedar.policyToText(policy);
      return answer.type === 'success' ? { value: answer.text, diagnostics: [] } : failed(answer.errors);
    });
  }

  /** Formats policies with Cedar's own formatter. @param width of a line, which it keeps to where it can */
  format(text: string, width: number): CedarResult<string> {
    return this.readSafely((cedar) => {
      const answer = cedar.formatPolicies({ policyText: text, lineWidth: width, indentWidth: 2 });
      return answer.type === 'success' ? { value: answer.formatted_policy, diagnostics: [] } : failed(answer.errors);
    });
  }

  /** Names a set of policies for {@link authorize}; it is parsed when first used. The same name replaces. */
  define(setName: string, policies: PolicySet): void {
    this.sets.set(setName, policies);
    this.prepared.delete(setName);
  }

  /** @throws Fault `policies_unavailable` where the instance failed; the next call has a new one */
  authorize(setName: string, request: CedarRequest): CedarAnswer {
    const policies = this.sets.get(setName);
    if (policies === undefined) throw new TypeError(`no policy set "${setName}"`);
    try {
      this.prepare(setName, policies);
      const answer = this.cedar.statefulIsAuthorized({ ...request, preparsedPolicySetId: setName });
      if (answer.type === 'failure') return errorAnswer(answer.errors.map((e) => e.message).join('; '));
      const { decision, diagnostics } = answer.response;
      return {
        decision,
        determining: [...diagnostics.reason].sort(),
        errors: diagnostics.errors.map((e) => ({ policy: e.policyId, message: e.error.message })),
      };
    } catch (error) {
      this.replaceInstance();
      throw new Fault('policies_unavailable', String(error), { cause: error });
    }
  }

  private prepare(setName: string, policies: PolicySet): void {
    if (this.prepared.has(setName)) return;
    const answer = this.cedar.preparsePolicySet(setName, { staticPolicies: { ...policies } });
    if (answer.type === 'failure') throw new Error(answer.errors.map((e) => e.message).join('; '));
    this.prepared.add(setName);
  }

  /** Runs a call that reads a candidate: an instance that it kills takes nothing else with it. */
  private readSafely<T>(call: (cedar: CedarWasm) => CedarResult<T>): CedarResult<T> {
    try {
      return call(this.cedar);
    } catch (error) {
      this.replaceInstance();
      return { diagnostics: [{ message: `Cedar can't read this text (too deeply nested?): ${String(error)}` }] };
    }
  }

  private replaceInstance(): void {
    this.cedar = instantiate();
    this.prepared = new Set();
    this.replacements += 1;
  }
}

/** The answer to a call that Cedar refused: an error of evaluation, which denies. */
function errorAnswer(message: string): CedarAnswer {
  return { decision: 'deny', determining: [], errors: [{ policy: '', message }] };
}

function failed(errors: readonly DetailedError[]): { readonly diagnostics: readonly CedarDiagnostic[] } {
  const diagnostics = toDiagnostics(errors);
  return { diagnostics: diagnostics.length > 0 ? diagnostics : [{ message: 'unknown problem' }] };
}

/** Converts Cedar's errors, each followed by those related to it. */
function toDiagnostics(errors: readonly DetailedError[]): CedarDiagnostic[] {
  return errors.flatMap((error) => {
    const label = error.sourceLocations?.[0];
    const parts = [error.message, label?.label].filter((part) => part != null && part !== '');
    return [
      { message: parts.join('; '), help: error.help ?? undefined, offset: label?.start },
      ...toDiagnostics(error.related ?? []),
    ];
  });
}
