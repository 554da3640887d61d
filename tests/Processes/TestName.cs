using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace Pascl.Tests.Processes;

/// <summary>What a test is called between processes: NUnit numbers tests anew in each, and cases may share a full name, which are then counted.</summary>
internal sealed record TestName(string Fixture, string FullName, int Occurrence)
{
    /// <summary>Whether the fixture is marked as one that simulates GPUs.</summary>
    public bool SimulatesGpu { get; init; }

    /// <summary>All tests below a suite in NUnit's order.</summary>
    public static List<(ITest Test, TestName Name)> OfAll(ITest root)
    {
        var occurrences = new Dictionary<string, int>();
        return [.. Tests(root).Select(test => (test, Name(test)))];

        TestName Name(ITest test)
        {
            var fixture = FixtureOf(test);
            return new(fixture.FullName, test.FullName, Count(test.FullName)) { SimulatesGpu = fixture.Properties.ContainsKey(SimulatesGpuAttribute.Name) };
        }

        int Count(string name) => occurrences[name] = occurrences.GetValueOrDefault(name) + 1;
    }

    /// <summary>The fixture that a test belongs to, directly or by the cases of its method.</summary>
    public static ITest FixtureOf(ITest test) => test is TestFixture || test.Parent is null ? test : FixtureOf(test.Parent);

    private static IEnumerable<ITest> Tests(ITest test) => test.IsSuite ? test.Tests.SelectMany(Tests) : [test];
}
