import { describe, expect, test } from 'vitest';
import { titleOf } from '../src/lib/conversation.ts';
import {
  alternatives,
  joinParts,
  leafUnder,
  pathTo,
  type TreeNode,
  turnsOf,
} from '../src/lib/tree.ts';

/** `q1 > a1, a2`, `a2 > b1 (goes on) > q2 > a3`, `a2 > q3`, each made after the one before. */
const NODES: [id: string, parent: string | null][] = [
  ['q1', null],
  ['a1', 'q1'],
  ['a2', 'q1'],
  ['b1', 'a2'],
  ['q2', 'b1'],
  ['a3', 'q2'],
  ['q3', 'a2'],
];
const nodes = new Map<string, TreeNode>(
  NODES.map(([id, parent]) => [
    id,
    { id, parent, role: id.startsWith('q') ? 'user' : 'assistant' },
  ]),
);
const ids = (list: TreeNode[]) => list.map(({ id }) => id).join(' ');

describe('a tree of messages', () => {
  test('the path to a head', () => {
    expect(ids(pathTo(nodes, 'a3'))).toBe('q1 a2 b1 q2 a3');
    expect(pathTo(nodes, 'gone')).toEqual([]);
    expect(pathTo(nodes, null)).toEqual([]);
  });

  test('a circle ends', () => {
    const a: TreeNode = { id: 'a', parent: 'b', role: 'user' };
    const circle = new Map([a, { ...a, id: 'b', parent: 'a' }].map((node) => [node.id, node]));
    expect(ids(pathTo(circle, 'a'))).toBe('b a');
  });

  test('alternatives are of one role: what goes on with an answer is none of its questions', () => {
    const of = alternatives(nodes);
    expect(of(nodes.get('a1')!)).toEqual(['a1', 'a2']);
    expect(of(nodes.get('q3')!)).toEqual(['q3']);
  });

  test('a branch is entered where it was left', () => {
    expect(leafUnder(nodes, 'a1')).toBe('a1');
    expect(leafUnder(nodes, 'a2')).toBe('q3');
    expect(leafUnder(nodes, 'b1')).toBe('a3');
  });

  test('an answer that went on is one turn', () => {
    expect(turnsOf(pathTo(nodes, 'a3')).map(({ parts }) => ids(parts))).toEqual([
      'q1',
      'a2 b1',
      'q2',
      'a3',
    ]);
    expect(joinParts(['한\ufffd', '국', ''])).toBe('한국');
  });
});

test('titles end at a word, and never inside of a character', () => {
  expect(titleOf('  What is Blyan?\nTell me.')).toBe('What is Blyan?');
  expect(titleOf(`${'word '.repeat(20)}`)).toBe(`${'word '.repeat(11)}word…`);
  expect(titleOf('😀'.repeat(80))).toBe(`${'😀'.repeat(60)}…`);
});
