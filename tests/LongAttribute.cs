using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace Pascl.Tests;

/// <summary>
/// A test of many seconds that repeats with more shapes, precisions or whole programs what shorter ones check. It runs where it is named by itself
/// (<c>--filter "FullyQualifiedName~..."</c>) and with all others under <c>PASCL_LONG_TESTS=1</c>, as continuous integration does.
/// </summary>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Class)]
internal sealed class LongAttribute : NUnitAttribute, IApplyToTest
{
    private static readonly bool isAsked = Environment.GetEnvironmentVariable("PASCL_LONG_TESTS") == "1";

    public void ApplyToTest(Test test)
    {
        if (!isAsked && test.RunState == RunState.Runnable)
        {
            test.RunState = RunState.Explicit;
            test.Properties.Set(PropertyNames.SkipReason, "It takes many seconds; PASCL_LONG_TESTS=1 runs it with the others.");
        }
    }
}
