import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeHtml, inlineHtml, richHtml } from '../../../src/core/export/rich-text.ts';

describe('text in HTML', () => {
  it.each([
    ['<script>alert(1)</script>', '&lt;script&gt;alert(1)&lt;/script&gt;'],
    ['</style>', '&lt;/style&gt;'],
    [`"' onload='x`, '&quot;&#39; onload=&#39;x'],
    ['a\u0000b\u001b[31m', 'a␀b␛[31m'],
    ['a\u202eb\u2066c', 'a[U+202E]b[U+2066]c'],
    ['&amp;', '&amp;amp;'],
    ['東京 🦞', '東京 🦞'],
  ])('%j is %s', (text, html) => {
    expect(escapeHtml(text)).toBe(html);
  });
});

describe('one line of Markdown', () => {
  const link = (address: string, text = address) =>
    `<a href="${address}" rel="noopener noreferrer nofollow">${text}</a>`;
  it.each([
    ['**bold** text', '<strong>bold</strong> text'],
    ['2 ** 3 and 4 ** 5', '2 ** 3 and 4 ** 5'],
    ['**never closed', '**never closed'],
    ['a `x < y` b', 'a <code>x &lt; y</code> b'],
    ['`` a ` b ``', '<code>a ` b</code>'],
    ['`open', '`open'],
    ['[site](https://a.example/x)', link('https://a.example/x', 'site')],
    ['[w](https://a.example/x_(y))', link('https://a.example/x_(y)', 'w')],
    ['see https://a.example/x.', `see ${link('https://a.example/x')}.`],
    ['[x](javascript:alert(1))', '[x](javascript:alert(1))'],
    ['[x](data:text/html,<b>)', '[x](data:text/html,&lt;b&gt;)'],
    ['[x](https://a"onclick=1)', '[x](https://a&quot;onclick=1)'.replace('https://a', link('https://a'))],
    ['[<b>](https://a.example)', link('https://a.example', '&lt;b&gt;')],
    ['<https://a.example>', `&lt;${link('https://a.example')}&gt;`],
    ['**`**`**', '<strong><code>**</code></strong>'],
  ])('%s', (text, html) => {
    expect(inlineHtml(text)).toBe(html);
  });
});

describe('a reply', () => {
  it('has paragraphs, lists, code and quotes', () => {
    const text =
      '# Title\nfirst\nsecond\n\n- a\n- b\n  more\n\n1. one\n2. two\n\n> said\n> again\n\n```js\n<b> **x**\n```\nend';
    expect(richHtml(text)).toBe(
      [
        '<p class="h">Title</p>',
        '<p>first<br>\nsecond</p>',
        '<ul><li>a</li><li>b<br>\nmore</li></ul>',
        '<ol><li>one</li><li>two</li></ol>',
        '<blockquote>said<br>\nagain</blockquote>',
        '<pre dir="ltr"><code>&lt;b&gt; **x**</code></pre>',
        '<p>end</p>',
      ].join('\n'),
    );
  });

  it('loses no words to three backticks that begin no block', () => {
    expect(richHtml('```a``` b')).toBe('<p><code>a</code> b</p>');
  });

  it('may leave a fence open', () => {
    expect(richHtml('```\n<i>')).toBe('<pre dir="ltr"><code>&lt;i&gt;</code></pre>');
  });

  it('holds no tag or attribute that is not ours, whatever it says (property)', () => {
    const part = fc.constantFrom(
      ...[
        '<script>',
        '</style>',
        '"',
        "'",
        '`',
        '```',
        '**',
        '[',
        '](',
        'https://',
        'javascript:',
        ')',
        '\n',
      ],
      ...['- ', '> ', '# ', ' ', 'x', '&', '\u202e', '\u0000', 'onerror=', '<img src=x>', '\r', '~~~', '\\'],
    );
    const known =
      /<\/?(?:p|ul|ol|li|blockquote|pre|code|strong|a|br)>|<p class="h">|<pre dir="ltr">|<a href="https?:\/\/[^"<>\s]*" rel="noopener noreferrer nofollow">/gi;
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), parts => {
        const rest = richHtml(parts.join('')).replace(known, '');
        expect(rest).not.toMatch(/[<>"\u0000\u202e]/);
      }),
      { numRuns: 3000 },
    );
  });

  it.each(['[', '**a ', '`', '`a``', '[a](https://', 'https://', '- ', '> ', '*', '```\n'])(
    'of 300,000 times %j takes no more than its length asks',
    text => {
      // Quadratic time would be minutes here; the limit of the test is the assertion.
      expect(richHtml(`x${text.repeat(300_000)}`).length).toBeGreaterThan(300_000);
    },
    20_000,
  );
});
