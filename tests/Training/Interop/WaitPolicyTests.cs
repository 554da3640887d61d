using Pascl.Training.Interop;

namespace Pascl.Tests.Training.Interop;

/// <summary>How OpenMP's threads wait. Each case is a process of its own, because OpenMP reads its variables once; it can print what it took from them.</summary>
[Platform("Linux")]
public sealed class WaitPolicyTests
{
    // Convolutions take five times as long as the rest, and have their own tests.
    private const string Doctor = "doctor --check-convolutions off";

    private static readonly (string, string) Print = ("OMP_DISPLAY_ENV", "VERBOSE");

    [SetUp]
    public void RequireAnEnvironmentWithoutTheVariables()
    {
        foreach (var name in new[] { WaitPolicy.PolicyVariable, WaitPolicy.SpinVariable })
        {
            Assume.That(Environment.GetEnvironmentVariable(name), Is.Null, $"the tests run with {name}");
        }
    }

    [Test]
    public void threads_that_wait_sleep_at_once_by_themselves()
    {
        var (code, output, error) = PasclProgram.Run(Doctor, Print);
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(error, Does.Contain("OMP_WAIT_POLICY = 'PASSIVE'").And.Contain("GOMP_SPINCOUNT = '0'"));
            Assert.That(output, Does.Match(@"waiting threads +OMP_WAIT_POLICY=passive, GOMP_SPINCOUNT=0 \(set by Pascl\)"));
        });
    }

    [TestCase("GOMP_SPINCOUNT", "77", "GOMP_SPINCOUNT = '77'")]
    [TestCase("OMP_WAIT_POLICY", "active", "OMP_WAIT_POLICY = 'ACTIVE'", "GOMP_SPINCOUNT = '30000000000'")]
    public void what_the_user_set_is_kept(string name, string value, params string[] inForce)
    {
        var (code, output, error) = PasclProgram.Run(Doctor, Print, (name, value));
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(inForce, Has.All.Matches<string>(setting => error.Contains(setting, StringComparison.Ordinal)), error);
            Assert.That(output, Does.Match($@"waiting threads +{name}={value} \(set by the user\)"));
        });
    }
}
