/**
 * Claims: `claims/<job>@<instant>.json`, made by exclusive creation before a job is started and removed when the record of
 * its end is durable. One that outlives its owner says what was under way.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import type { RunTrigger } from '../core/schedule/run-record.ts';
import { jsonBytes, listNames, makeFolder, prepareFile, readJson, syncFolder } from './json-file.ts';
import { encodeKey, type Layout } from './layout.ts';
import { newToken } from './lock.ts';

export interface Claim {
  jobId: string;
  runId: string;
  /** the instant of the schedule; absent: started by hand */
  dueAt?: number;
  trigger: RunTrigger;
  attempt: number;
  /** epoch ms */
  startedAt: number;
  /** the definition it was claimed for; absent: of an older claw */
  definition?: string;
  /** lock token of its owner */
  owner: string;
}

function claimFile(
  layout: Layout,
  { jobId, dueAt, runId }: Pick<Claim, 'jobId' | 'dueAt' | 'runId'>,
): string {
  return path.join(layout.claims(), `${encodeKey(jobId)}@${dueAt ?? runId}.json`);
}

/**
 * Claims one instant of a job, durably.
 *
 * @returns false when somebody has claimed it
 */
export function putClaim(context: Context, layout: Layout, claim: Omit<Claim, 'owner'>): boolean {
  makeFolder(layout.claims());
  const token = newToken(context);
  const file = claimFile(layout, claim);
  const temporary = path.join(layout.claims(), `.tmp-${token}`);
  const prepared = prepareFile(file, jsonBytes({ ...claim, owner: token }), temporary);
  try {
    fs.linkSync(temporary, file);
    syncFolder(layout.claims());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    prepared.abandon();
  }
}

/** The end record is durable: nothing is under way any more. */
export function dropClaim(layout: Layout, claim: Pick<Claim, 'jobId' | 'dueAt' | 'runId'>): void {
  fs.rmSync(claimFile(layout, claim), { force: true });
}

/** Every claim there is, oldest start first, and files that cannot be read. */
export function listClaims(layout: Layout): {
  claims: Claim[];
  unreadable: { file: string; reason: string }[];
} {
  const claims: Claim[] = [];
  const unreadable: { file: string; reason: string }[] = [];
  for (const name of listNames(layout.claims())) {
    if (name.startsWith('.') || !name.endsWith('.json')) continue;
    const file = path.join(layout.claims(), name);
    const read = readJson(file);
    if (read.state === 'missing') continue;
    const claim = (read.state === 'ok' ? read.value : null) as Partial<Claim> | null;
    const texts = [claim?.jobId, claim?.runId, claim?.trigger, claim?.owner];
    const isWhole = texts.every(each => typeof each === 'string') && Number.isFinite(claim?.startedAt);
    // A copy under another name claims nothing: it would never be removed by its own.
    if (isWhole && claimFile(layout, claim as Claim) === file) claims.push(claim as Claim);
    else unreadable.push({ file, reason: read.state === 'unreadable' ? read.reason : 'it is no claim' });
  }
  claims.sort((a, b) => a.startedAt - b.startedAt);
  return { claims, unreadable };
}
