const SUGGESTIONS = [
  { title: "Remember something", text: "Remember that our release train leaves on Thursdays at 10:00." },
  { title: "Recall it later", text: "When does our release train leave?" },
  { title: "Check some code", text: "Check this code:\n```python\nimport os\nos.system(input())\n```" },
] as const;

/** What an empty conversation shows. Picking a suggestion only fills the text field; nothing is sent. */
export function Welcome({ onPick }: { readonly onPick: (text: string) => void }) {
  return (
    <section className="welcome" aria-labelledby="welcome">
      <h2 id="welcome">What shall we look at?</h2>
      <p>Sophia remembers what you tell it, and says which memories and tools an answer came from.</p>
      <ul className="suggestions">
        {SUGGESTIONS.map(({ title, text }) => (
          <li key={title}>
            <button
              type="button"
              onClick={() => {
                onPick(text);
                document.getElementById("message")?.focus();
              }}
            >
              <strong>{title}</strong>
              <span>{text.replace(/```\w*/g, "").replace(/\s+/g, " ")}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
