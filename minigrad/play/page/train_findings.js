// The diagnosis: a button, and what it found, with the remedies that the controls can make.

export function makeFindings(root, send) {
  const ask = button("diagnose", "diagnose", () => send({ do: "act", action: "diagnose" }));
  const verdict = document.createElement("p");
  verdict.setAttribute("role", "status");
  const list = document.createElement("ol");
  list.className = "findings";
  root.append(ask, verdict, list);
  let last = "";
  return (diagnosis) => {
    const key = JSON.stringify(diagnosis);
    if (key === last) return;
    last = key;
    const asking = diagnosis !== null && !diagnosis.verdict;
    ask.disabled = asking;
    verdict.textContent = asking ? "Trying it with and without each remedy ..." : (diagnosis?.verdict ?? "");
    const findings = diagnosis?.findings ?? [];
    const first = findings.findIndex((finding) => finding.changes.length);
    list.replaceChildren(...findings.map((finding, i) => item(finding, i, i === first, send)));
  };
}

function button(testid, text, pressed) {
  const element = document.createElement("button");
  element.textContent = text;
  if (testid) element.dataset.testid = testid;
  element.addEventListener("click", pressed);
  return element;
}

function part(name, text, className) {
  const element = document.createElement(name);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

function item(finding, number, first, send) {
  const element = document.createElement("li");
  element.className = finding.level;
  const where = finding.layer === null ? "" : `, layer ${finding.layer}`;
  element.append(part("p", `${finding.level}: ${finding.name}${where}`, "what"), part("p", finding.text));
  if (finding.measured) element.append(part("p", `measured ${finding.measured}, expected ${finding.expected}`, "hint"));
  if (finding.remedy) element.append(part("p", finding.remedy));
  if (finding.changes.length) {
    const apply = button(first ? "apply" : `apply-${number}`, "apply", () => {
      send({ do: "act", action: "apply", with: { number } });
    });
    apply.setAttribute("aria-label", `apply the remedy of ${finding.name}`);
    const line = part("p", ` ${finding.changes.join("; ")}`, "change");
    line.prepend(apply);
    element.append(line);
  } else if (finding.remedy) element.append(part("p", "These controls cannot make that change.", "hint"));
  return element;
}
