/** The words of texts and of questions, for search that ranks. Every script works; there is no dictionary. */
import { fold } from './query.ts';

/** Longer ones are no words (a key, a pasted file); the tolerance for typing errors costs the square of their length. */
const LONGEST_WORD = 64;

/** Of a question; a pasted text of thousands of words asks nothing that more of them would tell. */
const MOST_TERMS = 64;

/** Scripts that write without blanks; `scx` because marks such as the long vowel of kana belong to several. */
const UNSPACED = String.raw`\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}`;
const IS_UNSPACED = new RegExp(`^[${UNSPACED}]`, 'u');
const RUNS = new RegExp(`[${UNSPACED}][${UNSPACED}\\p{M}]*|[^${UNSPACED}]+`, 'gu');
const HAS_UNSPACED = new RegExp(`[${UNSPACED}]`, 'u');

/**
 * The words of a text in their order, folded (case, accents, widths). Scripts that write without blanks yield pairs of
 * neighbouring characters, the usual stand-in for a dictionary.
 */
export function wordsOf(text: string): string[] {
  const plain = fold(text);
  if (/^[\x00-\x7f]*$/.test(plain)) return (plain.match(/[a-z0-9]+/g) ?? []).map(clip);
  return (plain.match(/[\p{L}\p{N}\p{M}]+/gu) ?? []).flatMap(word =>
    HAS_UNSPACED.test(word)
      ? (word.match(RUNS) ?? []).flatMap(run => (IS_UNSPACED.test(run) ? pairs(run) : [clip(run)]))
      : [clip(word)],
  );
}

/** What a question asks about: its distinct words without those that every question has, at most 64. */
export function termsOf(question: string): string[] {
  return [...new Set(wordsOf(question))].filter(word => !STOP_WORDS.has(word)).slice(0, MOST_TERMS);
}

/** The same, or, where a question has nothing but such words, all of them: who searches for "the who" means it. */
export function searchTermsOf(query: string): string[] {
  const terms = termsOf(query);
  return terms.length > 0 ? terms : [...new Set(wordsOf(query))].slice(0, MOST_TERMS);
}

/** Whether a word is of a script that yields pairs. */
export function isUnspaced(word: string): boolean {
  return IS_UNSPACED.test(word);
}

function clip(word: string): string {
  return word.length > LONGEST_WORD ? word.slice(0, LONGEST_WORD) : word;
}

function pairs(run: string): string[] {
  const characters = [...run];
  if (characters.length === 1) return characters;
  return characters.slice(1).map((character, before) => characters[before]! + character);
}

/** Words of questions, not of answers: English, German, French, Spanish, without those that mean something in another. */
const STOP_WORDS = new Set(
  `a about again all also am an and any are as at be been but by can could did do does for from get give had has have he
  her hers him his how i if in into is it its know let like may me mean my of on or our please recall remember remind said
  say she should so some tell than that the their them then there these they this those to told too was we were what when
  where which who whom why will with would you your d ll m re s t ve
  aber als am an auch auf aus bei bin bist das dass dein dem den der des dir du ein eine einem einen einer er es fur
  gesagt habe haben hat hatte ich ihr im in ist ja kann kannst mein mich mir mit nach nicht noch oder sag sagen sie sind
  so uber um und uns unser vom von wann waren warum was weisst weißt welche welcher wenn wer wie wir wird wo zu zum zur
  ai au aux avec ce ces cet cette comment dans de des dit du elle en est et etait il ils je la le les leur lui ma
  mais me mes moi mon ne nous on ou par pas pour pourquoi quand que quel quelle qui quoi sa se ses sont sur ta te tes
  toi tu un une vos votre vous
  al como con cual cuando de del dije dijo donde el ella en era es esta este fue ha han he la las lo los me mi no nos o
  para pero por porque que quien se ser si sin sobre su sus te tu un una y yo`.split(/\s+/),
);
